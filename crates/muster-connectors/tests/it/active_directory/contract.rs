//! Reading through the contract that the engine reads through: full, sweep, delta, confirm.

use std::collections::{BTreeMap, BTreeSet};

use muster_connectors::active_directory::{CONNECTOR, asked};
use muster_connectors::kit::ldap::{Scope, Search, SearchControls};
use muster_core::connector::{Connector, Mode, ReadRequest, ScopeEnd, Verdict};
use muster_core::value::guid_text;
use serde_json::{Value, json};

use crate::lab::{Lab, OwnLab, config, open};
use crate::oracle::{LdapThree, read_all};
use crate::sink::{Keeping, run};
use crate::state::{State, Values};

const STREAMS: [&str; 3] = ["containers", "users", "groups"];

/// What the directory holds, read by the oracle: stream → key → DN and values.
type Truth = BTreeMap<String, BTreeMap<String, (String, Values)>>;

fn truth(sections: &Value, oracle: &mut LdapThree, base: &str) -> Truth {
    let mut truth = Truth::new();
    for stream in STREAMS {
        let (filter, attributes) = asked(&config(sections), stream).unwrap();
        let search = Search {
            base: base.to_owned(),
            scope: Scope::Subtree,
            filter,
            attributes,
            page_size: 500,
            controls: SearchControls::default(),
        };
        let model = (CONNECTOR.model)();
        let model = model.stream(stream).unwrap();
        for (dn, values) in read_all(oracle, &search).0 {
            let named = |name: String| model.attribute(&name).map(|found| found.name.clone());
            let asked = |name: &String| search.attributes.contains(name);
            let values: Values = values
                .into_iter()
                .filter_map(|(name, values)| Some((named(name).filter(asked)?, values)))
                .filter(|(_, values)| !values.is_empty())
                .collect();
            let key = guid_text(&values["objectGUID"][0]).unwrap();
            truth.entry(stream.to_owned()).or_default().insert(key, (dn, values));
        }
    }
    truth
}

/// Every record, value, name and membership is the directory's, and nothing else is there.
fn is_truth(state: &State, truth: &Truth) {
    let keys: BTreeMap<String, &String> =
        truth.values().flatten().map(|(key, (dn, _))| (dn.to_lowercase(), key)).collect();
    for stream in STREAMS {
        let (read, expected) = (&state.records[stream], &truth[stream]);
        assert_eq!(read.keys().collect::<BTreeSet<_>>(), expected.keys().collect(), "{stream}");
        for (key, (dn, values)) in expected {
            let mut record = read[key].clone();
            for derived in ["parent", "rdn", "lockoutDuration", "maxPwdAge"] {
                record.remove(derived);
            }
            let mut values = values.clone();
            let members = values.remove("member").unwrap_or_default();
            assert_eq!(record, values, "{dn}");
            assert_eq!(&state.dn(stream, key), dn);
            if stream == "groups" {
                let members = members.into_iter().map(|member| String::from_utf8(member).unwrap());
                let members: BTreeSet<String> =
                    members.map(|dn| keys.get(&dn.to_lowercase()).map_or(dn, |key| (*key).clone())).collect();
                let known = |member: &String| member.len() == 36;
                let mut read = state.members.get(key).cloned().unwrap_or_default();
                // A deleted member leaves a group without a change of the group's: it goes with its own tombstone.
                read.retain(|member| !state.gone.contains(member));
                // A member outside of what is read has a key too, which the oracle's plain names do not give.
                assert_eq!(read.len(), members.len(), "{dn}");
                assert!(members.iter().filter(|member| known(member)).all(|member| read.contains(member)), "{dn}");
            }
        }
    }
}

fn complete(ends: &[ScopeEnd], state: &State) {
    for (end, stream) in ends.iter().zip(STREAMS) {
        assert_eq!(end.open, None);
        assert!(end.traffic.calls > 0);
        if end.mode.proves_absence() {
            let count = end.counted.unwrap();
            let received = state.records[stream].len() as u64;
            assert_eq!((count.low, count.high), (received, received), "{stream}");
        }
    }
}

fn sweep(connector: &dyn Connector) -> State {
    let mut swept = State::default();
    let ends = swept.read(connector, Mode::Sweep);
    complete(&ends, &swept);
    assert!(ends.iter().all(|end| end.cursor.is_none() && end.mode == Mode::Sweep));
    swept
}

fn same_keys(left: &State, right: &State) {
    for stream in STREAMS {
        let keys = |state: &State| state.records[stream].keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(left), keys(right), "{stream}");
    }
}

#[test]
fn the_scale_lab_is_read_whole_swept_and_never_in_parts() {
    let Some(lab) = Lab::scale() else { return };
    let sections = lab.sections();
    let connector = open(&sections);
    let mut state = State::default();
    let ends = state.read(&*connector, Mode::Delta);
    complete(&ends, &state);
    for end in &ends {
        assert_eq!((end.mode, &end.cursor), (Mode::Full, &None), "a server without USN is read fully");
        assert!(end.notes.iter().any(|note| note.starts_with("read fully")), "{:?}", end.notes);
    }
    let mut oracle = LdapThree::connect(&lab.url(), lab.fact("bind_dn"), lab.fact("password"));
    let truth = truth(&sections, &mut oracle, lab.fact("base_dn"));
    for stream in STREAMS {
        for (key, (dn, values)) in &truth[stream] {
            let mut record = state.records[stream][key].clone();
            record.retain(|name, _| name != "parent" && name != "rdn");
            let mut values = values.clone();
            let members = values.remove("member").unwrap_or_default();
            assert_eq!(record, values, "{dn}");
            assert_eq!(&state.dn(stream, key), dn);
            let members: BTreeSet<String> =
                members.into_iter().map(|member| String::from_utf8(member).unwrap()).collect();
            assert_eq!(state.members.get(key).cloned().unwrap_or_default(), members, "{dn}");
        }
    }
    same_keys(&sweep(&*connector), &state);
}

/// A run that another process goes on with, past the containers, gives the same members in the same words.
#[test]
fn members_are_the_same_on_a_connection_that_listed_no_container() {
    let Some(lab) = Lab::scale() else { return };
    let members = |streams: &[&str]| {
        let connector = open(&lab.sections());
        let plan = run(connector.plan()).unwrap();
        let mut members = BTreeMap::new();
        for scope in plan.scopes.iter().filter(|scope| streams.contains(&scope.stream.as_str())) {
            let sink = Keeping::default();
            let request = ReadRequest { scope, mode: Mode::Full, cursor: None };
            run(connector.read(request, &sink)).unwrap();
            for page in sink.into_batches().into_iter().flat_map(|batch| batch.links) {
                let words = page.members.iter().map(|member| format!("{member:?}"));
                members.entry(page.owner).or_insert_with(BTreeSet::new).extend(words);
            }
        }
        members
    };
    let (whole, late) = (members(&STREAMS), members(&["groups"]));
    assert!(whole.values().flatten().any(|member| member.starts_with("Place")), "members are known by their place");
    assert_eq!(whole, late);
}

#[test]
fn a_page_beyond_the_servers_limit_falls_back() {
    let Some(lab) = Lab::scale() else { return };
    let mut sections = lab.sections();
    sections["authentication"]["bindDn"] = json!(lab.fact("svc_dn"));
    sections["authentication"]["password"] = json!(lab.fact("svc_password"));
    sections["profile"]["pageSize"] = json!(5000);
    let connector = open(&sections);
    let mut state = State::default();
    complete(&state.read(&*connector, Mode::Full), &state);
    assert_eq!(state.records["users"].len().to_string(), lab.fact("users"));
    same_keys(&sweep(&*connector), &state);
    let key = state.records["users"].keys().next().unwrap().clone();
    let verdicts = run(connector.confirm("users", &[key], &Keeping::default())).unwrap();
    assert_eq!(verdicts, [Verdict::Present]);
}

#[test]
fn the_domain_controller_is_read_whole_and_swept() {
    let Some(lab) = Lab::samba() else { return };
    let connector = open(&lab.sections());
    let mut state = State::default();
    let ends = state.read(&*connector, Mode::Full);
    complete(&ends, &state);
    assert!(ends.iter().all(|end| end.cursor.is_some()));
    let staff = state.records["groups"].iter().find(|(_, group)| group["name"][0] == b"All staff").unwrap().0;
    // The suite of the binary changes this lab: some of the 6,000 may have been deleted by now.
    assert!((5900..=6000).contains(&state.members[staff].len()), "{}", state.members[staff].len());
    same_keys(&sweep(&*connector), &state);
}

#[test]
fn deltas_keep_step_with_every_change() {
    let Some(own) = OwnLab::get() else { return };
    let _turn = own.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut sections = own.sections();
    sections["profile"]["baseContext"] = json!("OU=Muster,DC=muster,DC=test");
    let base = "OU=Muster,DC=muster,DC=test";
    let mut state = State::default();
    complete(&state.read(&*open(&sections), Mode::Full), &state);
    is_truth(&state, &truth(&sections, &mut oracle(own), base));
    let mut bytes = 0;
    for seed in ["1", "2", "3"] {
        own.run("change", &[seed]);
        let before = state.clone();
        let connector = open(&sections);
        let ends = state.read(&*connector, Mode::Delta);
        assert!(ends.iter().all(|end| end.mode == Mode::Delta && end.open.is_none() && end.counted.is_none()));
        bytes += ends.iter().map(|end| end.traffic.bytes).sum::<u64>();
        is_truth(&state, &truth(&sections, &mut oracle(own), base));
        same_keys(&sweep(&*connector), &state);
        confirms(&*connector, &before, &state);
    }
    assert!(bytes > 0);
}

fn oracle(own: &OwnLab) -> LdapThree {
    LdapThree::over_tls(&own.lab)
}

/// Keys of before are present or deleted as the state of now says.
fn confirms(connector: &dyn Connector, before: &State, now: &State) {
    let gone: Vec<&String> =
        before.records["users"].keys().filter(|key| !now.records["users"].contains_key(*key)).collect();
    assert!(!gone.is_empty() && gone.iter().all(|key| now.gone.contains(*key)));
    let present = now.records["users"].keys().take(150);
    let keys: Vec<String> = present.chain(gone.iter().copied()).cloned().collect();
    let sink = Keeping::default();
    let verdicts = run(connector.confirm("users", &keys, &sink)).unwrap();
    let mut again = State::default();
    again.take(&sink.into_batches());
    assert_eq!(again.records["users"].len(), 150);
    for (key, verdict) in keys.iter().zip(verdicts) {
        let there = now.records["users"].contains_key(key);
        assert_eq!(verdict, if there { Verdict::Present } else { Verdict::Deleted }, "{key}");
        assert_eq!(again.records["users"].contains_key(key), there);
    }
}

#[test]
fn confirm_tells_elsewhere_from_deleted_and_knows_nothing_of_what_is_no_key() {
    let Some(lab) = Lab::samba() else { return };
    let mut everything = State::default();
    everything.read(&*open(&lab.sections()), Mode::Sweep);
    let mut sections = lab.sections();
    sections["profile"]["baseContext"] = json!("OU=Spain,OU=Muster,DC=muster,DC=test");
    let connector = open(&sections);
    let mut spain = State::default();
    spain.read(&*connector, Mode::Sweep);
    let inside = spain.records["users"].keys().next().unwrap().clone();
    let outside = everything.records["users"].keys().find(|key| !spain.records["users"].contains_key(*key)).unwrap();
    let group = everything.records["groups"].keys().next().unwrap();
    let nobody = "00000000-1111-2222-3333-444444444444".to_owned();
    let keys = [inside, outside.clone(), group.clone(), nobody, "no key".to_owned()];
    let verdicts = run(connector.confirm("users", &keys, &Keeping::default())).unwrap();
    let expected = [Verdict::Present, Verdict::OutOfScope, Verdict::OutOfScope, Verdict::Deleted, Verdict::Unknown];
    assert_eq!(verdicts, expected);
    let only = run(connector.confirm("users", &["no key".to_owned()], &Keeping::default())).unwrap();
    assert_eq!(only, [Verdict::Unknown]);
}

#[test]
fn a_plain_account_reads_and_sees_deletions_by_the_sweep() {
    let Some(lab) = Lab::samba() else { return };
    let mut sections = lab.sections();
    sections["authentication"]["bindDn"] = json!(lab.fact("svc_dn"));
    sections["authentication"]["password"] = json!(lab.fact("svc_password"));
    let (mut plain, mut administrator) = (State::default(), State::default());
    complete(&plain.read(&*open(&sections), Mode::Full), &plain);
    administrator.read(&*open(&lab.sections()), Mode::Sweep);
    assert_eq!(
        plain.records["users"].keys().collect::<Vec<_>>(),
        administrator.records["users"].keys().collect::<Vec<_>>()
    );
}
