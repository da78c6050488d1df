use super::*;

fn settings(directory: &std::path::Path, limit: u64, when_full: WhenFull) -> SpoolSettings {
    SpoolSettings { directory: directory.to_path_buf(), limit, when_full }
}

fn open(directory: &std::path::Path) -> Arc<Spool> {
    Spool::open(&settings(directory, 1 << 30, WhenFull::Wait)).unwrap()
}

fn entry(order: i64, sequence: u64, length: usize) -> Entry {
    let byte = u8::try_from(sequence % 251).unwrap();
    Entry { order, sequence, last: false, parcel: vec![byte; length].into() }
}

/// All that is in the spool of an order, delivered.
fn all(spool: &Spool, order: i64) -> Vec<Entry> {
    let mut found = Vec::new();
    while let Some(mut reading) = spool.read(order).unwrap() {
        while let Some(entry) = spool.next(&mut reading).unwrap() {
            found.push(entry);
        }
        spool.done(reading).unwrap();
    }
    found
}

fn segments(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> =
        std::fs::read_dir(directory.join("segments")).unwrap().map(|file| file.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn what_was_appended_is_there_after_a_kill_order_by_order() {
    let scratch = tempfile::tempdir().unwrap();
    let spool = open(scratch.path());
    for sequence in 0..20 {
        spool.append(&entry(1, sequence, 100)).unwrap();
        spool.append(&entry(-7, sequence, 50)).unwrap();
    }
    spool.append(&Entry { last: true, ..entry(1, 20, 0) }).unwrap();
    drop(spool);
    let spool = open(scratch.path());
    assert_eq!(spool.told().entries, 41);
    assert!(spool.is_whole(1) && !spool.is_whole(-7));
    let found = all(&spool, 1);
    assert_eq!(found.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (0..=20).collect::<Vec<_>>());
    assert!(found[3].parcel.iter().all(|&byte| byte == 3) && found[3].parcel.len() == 100);
    assert!(!spool.has(1) && spool.has(-7));
    spool.remove(-7).unwrap();
    assert_eq!((spool.told().bytes, segments(scratch.path()).len()), (0, 0));
}

#[test]
fn two_processes_do_not_share_a_spool() {
    let scratch = tempfile::tempdir().unwrap();
    let _first = open(scratch.path());
    let second = Spool::open(&settings(scratch.path(), 1 << 30, WhenFull::Wait)).unwrap_err();
    assert!(second.message.contains("another agent uses it"), "{second}");
}

/// Cut at every byte: all entries before the cut are there, and nothing but the cut one is missing.
#[test]
fn a_torn_tail_costs_its_entry_alone() {
    let whole = {
        let scratch = tempfile::tempdir().unwrap();
        let spool = open(scratch.path());
        (0..3).for_each(|sequence| spool.append(&entry(5, sequence, 10)).unwrap());
        std::fs::read(&segments(scratch.path())[0]).unwrap()
    };
    let each = whole.len() / 3;
    for cut in 0..=whole.len() {
        let scratch = tempfile::tempdir().unwrap();
        drop(open(scratch.path()));
        std::fs::write(scratch.path().join("segments/0000000000000001.5"), &whole[..cut]).unwrap();
        let spool = open(scratch.path());
        let found: Vec<u64> = all(&spool, 5).iter().map(|entry| entry.sequence).collect();
        assert_eq!(found, (0..cut as u64 / each as u64).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(spool.told().quarantined, u64::from(cut % each != 0), "cut at {cut}");
    }
}

/// Each byte of a small segment altered, before the process starts and while it runs: one entry goes to the quarantine,
/// the others are delivered as they were.
#[test]
fn an_altered_byte_costs_its_entry_alone() {
    let whole = {
        let scratch = tempfile::tempdir().unwrap();
        let spool = open(scratch.path());
        (0..4).for_each(|sequence| spool.append(&entry(5, sequence, 6)).unwrap());
        std::fs::read(&segments(scratch.path())[0]).unwrap()
    };
    let each = whole.len() / 4;
    for at in 0..whole.len() {
        for running in [false, true] {
            let scratch = tempfile::tempdir().unwrap();
            drop(open(scratch.path()));
            let path = scratch.path().join("segments/0000000000000001.5");
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            std::fs::write(&path, if running { &whole } else { &altered }).unwrap();
            let spool = open(scratch.path());
            if running {
                std::fs::write(&path, &altered).unwrap();
            }
            let found: Vec<u64> = all(&spool, 5).iter().map(|entry| entry.sequence).collect();
            let expected: Vec<u64> = (0..4).filter(|&sequence| sequence != (at / each) as u64).collect();
            assert_eq!(found, expected, "byte {at}, running {running}");
            assert_eq!(spool.told().quarantined, 1, "byte {at}, running {running}");
            assert_eq!(std::fs::read_dir(scratch.path().join("quarantine")).unwrap().count(), 1);
        }
    }
}

#[test]
fn a_full_spool_waits_or_drops_its_oldest() {
    let scratch = tempfile::tempdir().unwrap();
    let limited = |when_full| settings(scratch.path(), 40 << 20, when_full);
    let spool = Spool::open(&limited(WhenFull::Wait)).unwrap();
    let mut taken = 0;
    while spool.append(&entry(1, taken, 4 << 20)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 9, "nine parcels of 4 MiB, and their heads, fit into 40 MiB");
    assert!(matches!(spool.append(&entry(1, taken, 4 << 20)), Err(SpoolError::Full)));
    assert_eq!(segments(scratch.path()).len(), 3, "segments of 16 MiB");
    drop(spool);
    let spool = Spool::open(&limited(WhenFull::DropOldest)).unwrap();
    spool.append(&entry(2, 0, 4 << 20)).unwrap();
    assert_eq!(spool.told().dropped, 4);
    assert_eq!(all(&spool, 1).first().unwrap().sequence, 4);
    assert!(spool.has(2));
}

/// What is being delivered is not dropped beneath whoever reads it.
#[test]
fn what_is_read_is_not_dropped() {
    let scratch = tempfile::tempdir().unwrap();
    let spool = Spool::open(&settings(scratch.path(), 20 << 20, WhenFull::DropOldest)).unwrap();
    (0..4).for_each(|sequence| spool.append(&entry(1, sequence, 4 << 20)).unwrap());
    let mut reading = spool.read(1).unwrap().unwrap();
    assert!(matches!(spool.append(&entry(2, 0, 4 << 20)), Err(SpoolError::Full)));
    assert_eq!(spool.next(&mut reading).unwrap().unwrap().sequence, 0);
    spool.put_back(&reading);
    spool.append(&entry(2, 0, 4 << 20)).unwrap();
    assert!(!spool.has(1));
}

#[test]
fn the_directory_is_for_this_account_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let spool = open(&scratch.path().join("deep/spool"));
    spool.append(&entry(1, 0, 1)).unwrap();
    let mode = |path: &str| std::fs::metadata(scratch.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("deep/spool/segments"), mode("deep/spool/segments/0000000000000001.1")), (0o700, 0o600));
}
