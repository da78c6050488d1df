use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::connector::{Batch, Blob, ErrorKind, Reject, ScopeEnd, Step, StepOutcome, Traffic, Verdict};
use crate::link::{LinkPage, Member};
use crate::model::{AttributeId, DataModel, StreamModel};
use crate::record::RecordBatch;
use crate::seal::Place;
use crate::secret::Secret;

fn stream(mail: u16) -> Arc<StreamModel> {
    let text = format!(
        "data_model: test\nstreams:\n  - name: users\n    class: user\n    source_key: guid\n    attributes:\n      \
         - {{ id: 1, name: guid, type: text, kind: identity }}\n      - {{ id: {mail}, name: mail, type: text }}\n      \
         - {{ id: 3, name: seen, type: integer, kind: volatile }}\n"
    );
    Arc::clone(&DataModel::parse(&text).unwrap().streams[0])
}

/// Two records, `a` and `b`, and one of everything else.
fn batch(model: &StreamModel) -> Batch {
    let mut batch = Batch::new("users".into(), "scope".into());
    let mail = model.attribute("mail").unwrap().id;
    for key in ["a", "b"] {
        batch.records.push(AttributeId(1), key.as_bytes());
        batch.records.push(mail, b"Zo\xc3\xab@example.com");
        batch.records.push(mail, &[0, 255]);
        batch.records.push(AttributeId(3), b"17");
        batch.records.finish(model, key);
    }
    let members = vec![Member::Key("a".into()), Member::Place { locator: -4, text: "CN=x".into() }];
    batch.links.push(LinkPage { owner: "b".into(), kind: "member".into(), first: true, last: false, members });
    batch.tombstones.push("gone".into());
    batch.rejects.push(Reject { key: None, reason: "no guid".into(), raw: vec![1, 0, 0, 0, 0, 0] });
    batch.blobs.push(Blob { name: format!("{}.json", "0".repeat(64)).into(), bytes: vec![0, 1, 255] });
    batch
}

fn hashes(records: &RecordBatch) -> Vec<(String, [u8; 16], [u8; 16], bool)> {
    let told = |record: crate::record::RecordView<'_>| {
        (record.key().to_owned(), record.hash().0, record.volatile_hash().0, record.is_known())
    };
    records.iter().map(told).collect()
}

fn carried(parcel: BatchParcel) -> BatchParcel {
    let packed = pack(&Parcel::Batch(parcel)).unwrap();
    match unpack(&packed).unwrap() {
        Parcel::Batch(parcel) => parcel,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_arrives_as_it_was_sent() {
    let model = stream(2);
    let sent = batch(&model);
    let (arrived, strange) = carried(BatchParcel::of(sent.clone(), &model, None)).into_batch(&model).unwrap();
    assert_eq!(hashes(&arrived.records), hashes(&sent.records));
    for (one, other) in arrived.records.iter().zip(sent.records.iter()) {
        assert_eq!(one.all().collect::<Vec<_>>(), other.all().collect::<Vec<_>>());
    }
    assert_eq!((&arrived.links, &arrived.tombstones), (&sent.links, &sent.tombstones));
    assert_eq!((&arrived.rejects, &arrived.blobs), (&sent.rejects, &sent.blobs));
    assert_eq!((arrived.stream, arrived.scope, arrived.keys_only), (sent.stream, sent.scope, false));
    assert!(strange.is_empty());
}

#[test]
fn of_what_is_not_wanted_only_the_hashes_go() {
    let model = stream(2);
    let sent = batch(&model);
    let offer = Offer::of(&sent);
    assert_eq!(offer.pairs.iter().map(|pair| pair.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let wanted = bits([false, true].into_iter());
    let (arrived, _) = carried(BatchParcel::of(sent.clone(), &model, Some(&wanted))).into_batch(&model).unwrap();
    let expected: Vec<_> = hashes(&sent.records)
        .into_iter()
        .map(|(key, content, volatile, _)| {
            let known = key == "a";
            (key, content, volatile, known)
        })
        .collect();
    assert_eq!(hashes(&arrived.records), expected);
    assert_eq!(arrived.records.get(0).unwrap().all().count(), 0);
}

#[test]
fn an_answer_that_is_too_short_wants_the_rest() {
    let answer = bits([false; 9].into_iter());
    assert_eq!(answer, [0, 0]);
    assert!((0..16).all(|at| !is_set(&answer, at)));
    assert!(is_set(&answer, 16));
    assert_eq!(bits([true, false, false, false, false, false, false, false, true].into_iter()), [1, 1]);
}

/// Agent and hub number an attribute differently: the name decides, and the hub's hash with it.
#[test]
fn attributes_go_by_name() {
    let (there, here) = (stream(2), stream(9));
    let sent = batch(&there);
    let (arrived, strange) = carried(BatchParcel::of(sent, &there, None)).into_batch(&here).unwrap();
    assert_eq!(hashes(&arrived.records), hashes(&batch(&here).records));
    assert!(strange.is_empty());
}

#[test]
fn an_attribute_that_the_hub_does_not_know_is_left_out_and_named() {
    let model = stream(2);
    let text = "data_model: test\nstreams:\n  - name: users\n    class: user\n    source_key: guid\n    attributes:\n      \
                - { id: 1, name: guid, type: text, kind: identity }\n";
    let older = Arc::clone(&DataModel::parse(text).unwrap().streams[0]);
    let (arrived, strange) = carried(BatchParcel::of(batch(&model), &model, None)).into_batch(&older).unwrap();
    assert_eq!(strange, ["mail", "seen"]);
    assert_eq!(arrived.records.get(0).unwrap().all().count(), 1);
}

#[test]
fn keys_alone_stay_keys() {
    let model = stream(2);
    let mut sent = Batch::new("users".into(), "scope".into());
    sent.keys_only = true;
    sent.records.push_key("k");
    let (arrived, _) = carried(BatchParcel::of(sent, &model, None)).into_batch(&model).unwrap();
    assert!(arrived.keys_only);
    assert_eq!(arrived.records.iter().map(|record| record.key().to_owned()).collect::<Vec<_>>(), ["k"]);
}

#[test]
fn every_end_of_a_call_comes_back_as_it_was() {
    let end = ScopeEnd {
        mode: Mode::Delta,
        open: Some("a page was lost".into()),
        counted: None,
        cursor: Some(Cursor("c".into())),
        notes: vec!["n".into()],
        traffic: Traffic { calls: 1, throttled_ms: 2, bytes: 3 },
    };
    let step = Step { name: "bind".into(), outcome: StepOutcome::Failed, message: "no".into(), remedy: None };
    let failure = Failure {
        kind: ErrorKind::Forbidden { permission: "read".into() },
        operation: "reading".into(),
        message: "refused".into(),
        remedy: Some("grant".into()),
    };
    let parcels = [
        Parcel::End(end.into()),
        Parcel::Plan(PlanParcel { scopes: vec![("users".into(), "DC=x".into())], notes: vec![], origin: None }),
        Parcel::Verdicts(vec![Verdict::Present, Verdict::Unknown]),
        Parcel::Step(step.into()),
        Parcel::Checked(true),
        Parcel::Failed(failure),
    ];
    for parcel in parcels {
        assert_eq!(unpack::<Parcel>(&pack(&parcel).unwrap()).unwrap(), parcel);
    }
}

/// A few bytes that say they unpack to gigabytes cost nothing.
#[test]
fn what_unpacks_to_too_much_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; LONGEST_UNPACKED + 1], 1).unwrap();
    assert!(bomb.len() < 10_000);
    assert_eq!(unpack::<Parcel>(&bomb), Err(PackError::TooLong));
    assert_eq!(unpack::<Parcel>(&vec![0; LONGEST_PACKED + 1]), Err(PackError::TooLong));
    let mut parcel = pack(&Parcel::Checked(true)).unwrap();
    parcel.truncate(parcel.len() - 1);
    assert_eq!(unpack::<Parcel>(&parcel), Err(PackError::Torn));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let model = stream(2);
    let mut keys = batch(&model);
    keys.keys_only = false;
    let mut parcel = BatchParcel::of(keys, &model, None);
    assert!(parcel.clone().into_batch(&model).is_ok());
    parcel = serde_json::from_value({
        let mut value = serde_json::to_value(&parcel).unwrap();
        value["keys_only"] = true.into();
        value
    })
    .unwrap();
    assert_eq!(parcel.into_batch(&model).unwrap_err(), PackError::Senseless("kind of record"));
    let mut named = batch(&model);
    named.blobs[0].name = "../x".into();
    assert_eq!(BatchParcel::of(named, &model, None).into_batch(&model).unwrap_err(), PackError::Senseless("document"));
    let mut other = batch(&model);
    other.stream = "groups".into();
    assert_eq!(BatchParcel::of(other, &model, None).into_batch(&model).unwrap_err(), PackError::Senseless("stream"));
}

#[test]
fn a_sealed_secret_opens_in_its_session_alone() {
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(7);
    let place = Place { tenant: "customer", owner: "session", field: "authentication.password" };
    let sealed = session_keyring(b"shared", b"agent", b"hub").seal(&place, &Secret::new("canary"), &mut rng).unwrap();
    assert_eq!(session_keyring(b"shared", b"agent", b"hub").open(&place, &sealed).unwrap().reveal(), "canary");
    for other in [
        session_keyring(b"share", b"dagent", b"hub"),
        session_keyring(b"shared", b"hub", b"agent"),
        session_keyring(b"other", b"agent", b"hub"),
    ] {
        assert!(other.open(&place, &sealed).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_in_peace(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let model = stream(2);
        let _ = unpack::<Parcel>(&bytes);
        let packed = zstd::bulk::compress(&bytes, 1).unwrap();
        if let Ok(Parcel::Batch(parcel)) = unpack::<Parcel>(&packed) {
            let _ = parcel.into_batch(&model);
        }
        let _ = unpack::<Offer>(&packed);
    }
}
