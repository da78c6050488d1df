use super::*;

fn cost(wall: f64) -> Cost {
    Cost { wall, user: wall / 2.0, system: 0.25, peak: 10.0, traffic: 0.0 }
}

#[test]
fn medians_are_of_each_figure() {
    assert_eq!(median(&[cost(3.0), cost(1.0), cost(2.0)]).wall, 2.0);
    assert_eq!(median(&[cost(1.0), cost(2.0)]).user, 0.75);
    assert_eq!(median(&[]), Cost::default());
}

#[test]
fn figures_of_time_are_read_from_its_last_line() {
    let cost = parse(1.5, "Command exited with non-zero status 3\n0.50 0.25 2048\n").unwrap();
    assert_eq!(cost, Cost { wall: 1.5, user: 0.5, system: 0.25, peak: 2.0, traffic: 0.0 });
    assert!(parse(1.0, "").is_none());
    assert!(parse(1.0, "0.5 0.25").is_none());
    assert!(parse(1.0, "0.5 0.25 7 8").is_none());
}

#[test]
fn commands_in_a_row_add_up_but_for_their_peak() {
    let both = cost(1.0).and(Cost { peak: 40.0, ..cost(2.0) });
    assert_eq!(both, Cost { wall: 3.0, user: 1.5, system: 0.5, peak: 40.0, traffic: 0.0 });
}

#[test]
fn the_table_has_the_ratio_and_the_bar_beside_the_subject() {
    let with = Pairs {
        name: "sync".into(),
        reference: Some(("ldapsearch".into(), vec![cost(2.0)])),
        subject: vec![Cost { traffic: 1.5, ..cost(3.0) }],
        bar: Bar::Times(1.3),
    };
    let alone = Pairs { name: "delta".into(), reference: None, subject: vec![cost(0.5)], bar: Bar::Seconds(2.0) };
    let table = table(&[with, alone]);
    let lines: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(lines[0], "| ldapsearch | 2.00 | 1.00 | 0.25 | 10 |  |  |  |");
    assert_eq!(lines[1], "| sync | 3.00 | 1.50 | 0.25 | 10 | 1.50 | **1.50** | ≤ 1.3 ×: **missed** |");
    assert_eq!(lines[2], "| delta | 0.50 | 0.25 | 0.25 | 10 |  |  | ≤ 2 s: met |");
}

#[test]
fn bars_are_judged() {
    assert_eq!(Bar::Unset.judge(1.0, 9.0), "");
    assert_eq!(Bar::TimesAndSeconds(0.5, 1.0).judge(3.0, 2.5), "≤ 0.5 × + 1 s = 2.50 s: met");
    assert_eq!(Bar::TimesAndSeconds(0.5, 1.0).judge(3.0, 2.6), "≤ 0.5 × + 1 s = 2.50 s: **missed**");
}

#[test]
fn the_machine_is_named() {
    let said = describe(2, "MemTotal:       25165824 kB\n", "processor : 0\nmodel name\t: Some CPU\n");
    assert_eq!(said, "2 cores (Some CPU), 24 GiB");
    assert_eq!(describe(1, "", ""), "1 cores (model unknown), 0 GiB");
}

#[test]
fn a_failing_command_says_what_it_said() {
    let log = std::env::temp_dir().join(format!("muster-xtask-time-{}.log", std::process::id()));
    if !Path::new("/usr/bin/time").exists() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "echo trouble >&2; exit 3"]);
    let error = time(&command, &log).unwrap_err().to_string();
    assert!(error.contains("`sh` ended with") && error.contains("trouble"), "{error}");
    let mut command = Command::new("true");
    command.env("X", "y");
    assert!(time(&command, &log).unwrap().peak > 0.0);
    std::fs::remove_file(log.with_extension("time")).unwrap();
    std::fs::remove_file(log).unwrap();
}
