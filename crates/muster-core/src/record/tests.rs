use super::*;
use crate::model::DataModel;

fn model() -> DataModel {
    DataModel::parse(
        "data_model: test\nstreams:\n  - name: users\n    class: user\n    source_key: guid\n    attributes:\n      \
         - { id: 1, name: guid, type: text, kind: identity }\n      - { id: 2, name: mail, type: text }\n      \
         - { id: 3, name: seen, type: integer, kind: volatile }\n",
    )
    .unwrap()
}

fn batch(values: &[(u16, &str)]) -> RecordBatch {
    let model = model();
    let mut batch = RecordBatch::default();
    for (attribute, value) in values {
        batch.push(AttributeId(*attribute), value.as_bytes());
    }
    batch.finish(&model.streams[0], "key");
    batch
}

#[test]
fn hash_ignores_order_and_volatile_values_but_nothing_else() {
    let hash = |values: &[(u16, &str)]| batch(values).get(0).unwrap().hash();
    let base = hash(&[(1, "g"), (2, "a"), (2, "b"), (3, "1")]);
    assert_eq!(base, hash(&[(3, "2"), (2, "b"), (2, "a"), (1, "g")]));
    assert_ne!(base, hash(&[(1, "g"), (2, "ab")]));
    assert_ne!(base, hash(&[(1, "g"), (2, "a")]));
    assert_ne!(hash(&[(2, "")]), hash(&[]));
}

#[test]
fn encode_and_rebuild_give_the_same_record() {
    let model = model();
    let first = batch(&[(1, "g"), (2, "a"), (3, "7")]);
    let view = first.get(0).unwrap();
    let content = view.encode(&model.streams[0], |kind| kind != AttributeKind::Volatile);
    let volatile = view.encode(&model.streams[0], |kind| kind == AttributeKind::Volatile);
    let again = rebuild(&model.streams[0], "key", &[&content, &volatile]);
    let again = again.get(0).unwrap();
    assert_eq!((again.key(), again.hash(), again.volatile_hash()), ("key", view.hash(), view.volatile_hash()));
    assert_eq!(again.all().collect::<Vec<_>>(), view.all().collect::<Vec<_>>());
}

#[test]
fn torn_encodings_stop_quietly() {
    assert!(decode_values(&[1, 0, 9, 0, 0, 0, 1]).is_empty());
    assert!(decode_values(&[1, 0, 255, 255, 255, 255]).is_empty());
}

#[test]
fn abandoned_values_leave_no_trace() {
    let model = model();
    let mut batch = RecordBatch::default();
    batch.push(AttributeId(2), b"lost");
    batch.abandon();
    batch.push(AttributeId(2), b"kept");
    batch.finish(&model.streams[0], "k");
    assert_eq!(batch.get(0).unwrap().values(AttributeId(2)).collect::<Vec<_>>(), [b"kept"]);
}

#[test]
fn the_hash_is_what_it_always_was() {
    let mut expected = blake3::Hasher::new();
    expected.update(&2_u16.to_le_bytes()).update(&2_u32.to_le_bytes());
    for value in ["a", "b"] {
        expected.update(&1_u32.to_le_bytes()).update(value.as_bytes());
    }
    let hash = batch(&[(1, "g"), (2, "b"), (2, "a"), (3, "1")]).get(0).unwrap().hash();
    assert_eq!(hash.0, expected.finalize().as_bytes()[..16]);
}

#[test]
fn sorted_records_keep_their_values() {
    let model = model();
    let mut batch = RecordBatch::default();
    for key in ["c", "a", "b"] {
        batch.push(AttributeId(2), key.as_bytes());
        batch.finish(&model.streams[0], key);
    }
    batch.sort_by_key();
    assert_eq!(batch.iter().map(|record| record.key().to_owned()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(batch.iter().all(|record| record.values(AttributeId(2)).eq([record.key().as_bytes()])));
}
