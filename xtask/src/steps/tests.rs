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

#[test]
fn a_step_beside_others_counts_for_itself_and_fails_for_itself() {
    let (to_apart, from_others) = std::sync::mpsc::channel();
    let mut steps = Steps::default();
    // Each waits for the other: neither could end if they did not run at once.
    let (to_others, from_apart) = std::sync::mpsc::channel();
    let apart = move || {
        to_others.send(())?;
        from_others.recv()?;
        bail!("no luck")
    };
    let error = steps
        .beside("apart", apart, |steps| {
            steps.take("meanwhile", || Ok(from_apart.recv()?))?;
            Ok(to_apart.send(())?)
        })
        .unwrap_err();
    assert_eq!(format!("{error:#}"), "step `apart` failed: no luck");
    let table = steps.table();
    let names: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["meanwhile", "apart", "total"]);
    let error = steps.beside("fine", || Ok(()), |steps| steps.take("not", || bail!("bad"))).unwrap_err();
    assert_eq!(format!("{error:#}"), "step `not` failed: bad");
}
