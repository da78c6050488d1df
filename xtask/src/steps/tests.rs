use super::*;
use anyhow::bail;

#[test]
fn the_table_names_what_passed_failed_and_was_left_out() {
    let mut steps = Steps::default();
    steps.take("one", || Ok(())).unwrap();
    steps.leave_out("samba");
    let error = steps.take("two", || -> Result<()> { bail!("no luck") }).unwrap_err();
    assert_eq!(format!("{error:#}"), "step `two` failed: no luck");
    let table = steps.table();
    let outcomes: Vec<&str> = table.lines().skip(1).take(3).map(|line| line.split_once(".0  ").unwrap().1).collect();
    assert_eq!(outcomes, ["passed", "left out", "FAILED"]);
    assert!(table.lines().last().unwrap().starts_with("total"));
}
