use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const CANARY: &str = "canary-Pa55word-∂";
const PLACE: Place<'_> = Place { tenant: "t1", owner: "connector-7", field: "password" };

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn ring(seeds: &[u8]) -> Keyring {
    let mut keys = seeds.iter().map(|&seed| Key::new([seed; 32]));
    let current = keys.next().unwrap();
    Keyring::new(current, keys.collect())
}

fn sealed(ring: &Keyring) -> String {
    ring.seal(&PLACE, &Secret::new(CANARY), &mut rng()).unwrap()
}

#[test]
fn a_secret_comes_back_at_its_place() {
    let ring = ring(&[1]);
    let text = sealed(&ring);
    assert_eq!(ring.open(&PLACE, &text).unwrap().reveal(), CANARY);
    assert!(text.starts_with(&format!("m1.{}.", ring.current())));
    assert_eq!(Keyring::key_of(&text), Ok(ring.current()));
    let empty = ring.seal(&PLACE, &Secret::new(""), &mut rng()).unwrap();
    assert!(ring.open(&PLACE, &empty).unwrap().is_empty());
}

#[test]
fn the_format_is_fixed() {
    // Stored values outlive the program: if this text changes, what was sealed before cannot be opened.
    let ring = ring(&[1, 2]);
    insta::assert_snapshot!(ring.current().to_string(), @"8567f5c09439");
    insta::assert_snapshot!(sealed(&ring), @"m1.8567f5c09439.QKojreWMUg6dQjtNTBRe6L77qGrp4MIHhl9-JOg0nU7NvIsPRjKEJDpOOTzecTrGDT7QtmQ68BjjHnwtUD0E2pQmNah8RhYClxi0");
    insta::assert_snapshot!(data_encoding::HEXLOWER.encode(&*ring.derive("tests")), @"19b05251acbd9ea2aeb3b997835165773f1e64c93206c6305dc475fefae5f5fb");
}

#[test]
fn the_same_secret_is_never_the_same_text() {
    let ring = ring(&[1]);
    let mut rng = rng();
    let texts: Vec<_> = (0..3).map(|_| ring.seal(&PLACE, &Secret::new(CANARY), &mut rng).unwrap()).collect();
    assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]);
}

#[test]
fn a_moved_value_is_refused() {
    let ring = ring(&[1]);
    let text = sealed(&ring);
    let elsewhere = [
        Place { tenant: "t2", ..PLACE },
        Place { owner: "connector-8", ..PLACE },
        Place { field: "clientSecret", ..PLACE },
        Place { tenant: "", ..PLACE },
        // The same letters, divided otherwise.
        Place { tenant: "t1c", owner: "onnector-7", ..PLACE },
        Place { owner: "connector-7password", field: "", ..PLACE },
        Place { tenant: "connector-7", owner: "t1", ..PLACE },
    ];
    for place in elsewhere {
        assert_eq!(ring.open(&place, &text), Err(SealError::WrongPlace), "{place:?}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let ring = ring(&[1, 2]);
    let text = sealed(&ring);
    for index in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert!(ring.open(&PLACE, &flipped).is_err(), "bit {bit} of character {index}");
        }
    }
    // And below the encoding, where each error says what it is: tag 16, nonce 24, the rest ciphertext and its proof.
    let (head, encoded) = text.rsplit_once('.').unwrap();
    let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).unwrap();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[index] ^= 1 << bit;
            let flipped = format!("{head}.{}", BASE64URL_NOPAD.encode(&bytes));
            assert_eq!(ring.open(&PLACE, &flipped), Err(SealError::Altered), "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn torn_text_is_refused() {
    let ring = ring(&[1]);
    let text = sealed(&ring);
    for length in 0..text.len() {
        let error = ring.open(&PLACE, &text[..length]).unwrap_err();
        assert!(matches!(error, SealError::Torn | SealError::Altered | SealError::WrongPlace), "{length}: {error}");
    }
    for other in
        [format!("{text}A"), format!("{text}."), format!("m2{}", &text[2..]), format!(" {text}"), CANARY.into()]
    {
        assert!(ring.open(&PLACE, &other).is_err(), "{other}");
    }
    assert_eq!(ring.open(&PLACE, &"m1.".repeat(LONGEST_TEXT)), Err(SealError::Torn));
}

#[test]
fn an_unknown_key_is_named() {
    let text = sealed(&ring(&[1]));
    let id = ring(&[1]).current();
    let error = ring(&[2, 3]).open(&PLACE, &text).unwrap_err();
    assert_eq!(error, SealError::UnknownKey(id));
    assert!(error.to_string().contains(&id.to_string()));
}

#[test]
fn the_key_itself_matters_and_not_its_id() {
    // A forged id leads to a key that cannot open it.
    let text = sealed(&ring(&[1]));
    let other = ring(&[2]);
    let forged = text.replace(&ring(&[1]).current().to_string(), &other.current().to_string());
    assert!(matches!(other.open(&PLACE, &forged), Err(SealError::WrongPlace | SealError::Altered)));
}

#[test]
fn rotation_keeps_what_was_sealed_and_says_what_is_old() {
    let old = ring(&[1]);
    let both = ring(&[2, 1]);
    let before = sealed(&old);
    assert!(!old.needs_rotation(&before));
    assert!(both.needs_rotation(&before));
    let secret = both.open(&PLACE, &before).unwrap();
    let after = both.seal(&PLACE, &secret, &mut rng()).unwrap();
    assert!(!both.needs_rotation(&after));
    assert_eq!(ring(&[2]).open(&PLACE, &after).unwrap().reveal(), CANARY);
    assert_eq!(old.open(&PLACE, &after), Err(SealError::UnknownKey(both.current())));
    assert!(both.needs_rotation("nothing of ours"));
    assert_eq!(both.ids().collect::<Vec<_>>(), [ring(&[2]).current(), old.current()]);
}

#[test]
fn derived_keys_differ_by_context_and_key() {
    let both = ring(&[2, 1]);
    assert_ne!(both.derive("a"), both.derive("b"));
    assert_ne!(both.derive("a"), ring(&[1]).derive("a"));
    assert_eq!(both.derive_from(ring(&[1]).current(), "a"), Some(ring(&[1]).derive("a")));
    assert_eq!(both.derive_from(ring(&[3]).current(), "a"), None);
}

#[test]
fn nothing_shows_a_secret_or_a_key() {
    let key = Key::generate(&mut rng());
    let text = key.to_text().reveal().to_owned();
    let hex = HEX.encode(&data_encoding::BASE64.decode(text.as_bytes()).unwrap());
    let ring = Keyring::from_text(&format!("{text}\n")).unwrap();
    let sealed = ring.seal(&PLACE, &Secret::new(CANARY), &mut rng()).unwrap();
    let opened = ring.open(&PLACE, &sealed).unwrap();
    let mut shown = format!("{ring:?} {ring:#?} {key:?} {opened:?} {opened} {sealed} {:?}", key.to_text());
    let errors = [
        ring.open(&Place { field: CANARY, ..PLACE }, &sealed).unwrap_err(),
        ring.open(&PLACE, &format!("m1.{CANARY}.{CANARY}")).unwrap_err(),
        ring.open(&PLACE, CANARY).unwrap_err(),
        ring.seal(&PLACE, &Secret::new(CANARY.repeat(LONGEST_SECRET)), &mut rng()).unwrap_err(),
    ];
    for error in errors {
        shown.push_str(&format!("{error} {error:?}"));
    }
    for bad in [format!("{text}{text}"), format!("{text}\n{text}"), CANARY.to_owned(), hex[1..].to_owned()] {
        let error = Keyring::from_text(&bad).unwrap_err();
        shown.push_str(&format!("{error} {error:?}"));
    }
    for secret in [CANARY, text.as_str(), hex.as_str(), &hex[..16], &text[..12]] {
        assert!(!shown.contains(secret), "`{secret}` in {shown}");
    }
}

const HEX: data_encoding::Encoding = data_encoding::HEXLOWER;

#[test]
fn a_ring_is_read_in_either_encoding() {
    let bytes: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 9 % 256).unwrap());
    let id = Key::new(bytes).id();
    let texts = [
        HEX.encode(&bytes),
        data_encoding::HEXUPPER.encode(&bytes),
        data_encoding::BASE64.encode(&bytes),
        data_encoding::BASE64_NOPAD.encode(&bytes),
        data_encoding::BASE64URL.encode(&bytes),
        data_encoding::BASE64URL_NOPAD.encode(&bytes),
    ];
    for text in texts {
        let ring =
            Keyring::from_text(&format!("# made by hand\r\n\r\n  {text} \r\n{}\n", HEX.encode(&[9; 32]))).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), [id, Key::new([9; 32]).id()]);
    }
}

#[test]
fn errors_of_a_ring_name_the_line() {
    let key = HEX.encode(&[1; 32]);
    let read = |text: &str| Keyring::from_text(text).map(|_| ()).unwrap_err();
    assert_eq!(read(""), KeyringError::Empty);
    assert_eq!(read("# only a comment\n"), KeyringError::Empty);
    assert_eq!(read(&format!("{key}\n\n{}", &key[1..])), KeyringError::NotAKey(3));
    assert_eq!(read(&format!("{key}\n{}", key.to_uppercase())), KeyringError::Repeated(2));
    let many: String = (0..70_u8).map(|seed| format!("{}\n", HEX.encode(&[seed; 32]))).collect();
    assert_eq!(read(&many), KeyringError::TooMany);
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens(secret in ".{0,200}", tenant in ".{0,9}", owner in ".{0,9}", seed in any::<u64>()) {
        let ring = ring(&[5]);
        let place = Place { tenant: &tenant, owner: &owner, field: "f" };
        let text = ring.seal(&place, &Secret::new(secret.clone()), &mut StdRng::seed_from_u64(seed)).unwrap();
        let opened = ring.open(&place, &text).unwrap();
        prop_assert_eq!(opened.reveal(), secret.as_str());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(m1\\.)?([0-9a-f]{12}\\.)?.{0,120}") {
        let ring = ring(&[5]);
        prop_assert!(ring.open(&PLACE, &text).is_err());
        let _ = ring.needs_rotation(&text);
        let _ = Keyring::from_text(&text);
    }
}
