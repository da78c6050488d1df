//! The functions that parameters go through: case, and singular and plural of English words.

/// What a function makes of a text; nothing where there is no such function.
pub(super) fn apply(function: &str, text: &str) -> Option<String> {
    Some(match function {
        "!singularize" => last_word(text, singular),
        "!pluralize" => last_word(text, plural),
        "!uppercase" => text.to_uppercase(),
        "!lowercase" => text.to_lowercase(),
        "!uppercamelcase" => words(text).iter().map(|word| capitalised(word)).collect(),
        "!lowercamelcase" => {
            let camel: String = words(text).iter().map(|word| capitalised(word)).collect();
            let mut letters = camel.chars();
            letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
        }
        "!upperunderscorecase" => words(text).join("_").to_uppercase(),
        "!lowerunderscorecase" => words(text).join("_").to_lowercase(),
        "!upperhyphencase" => words(text).join("-").to_uppercase(),
        "!lowerhyphencase" => words(text).join("-").to_lowercase(),
        _ => return None,
    })
}

/// `userId`, `user_id` and `user-id` are `user` and `id`.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = None;
    for letter in text.chars() {
        if ['_', '-', ' ', '/', '.'].contains(&letter) {
            previous = None;
            continue;
        }
        let new = match previous {
            None => true,
            Some(before) => letter.is_uppercase() && !char::is_uppercase(before),
        };
        if new {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
        previous = Some(letter);
    }
    words
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Changes the last word: `order-items`, `orderItems`.
fn last_word(text: &str, change: impl Fn(&str) -> String) -> String {
    let starts = text.char_indices().zip(text.chars().skip(1)).filter_map(|((at, before), letter)| {
        let is_hump = letter.is_uppercase() && !before.is_uppercase();
        (!before.is_alphanumeric() || is_hump).then_some(at + before.len_utf8())
    });
    let (rest, word) = text.split_at(starts.last().unwrap_or(0));
    let lower = word.to_lowercase();
    let changed = change(&lower);
    let changed = match word.chars().next() {
        Some(first) if first.is_uppercase() => capitalised(&changed),
        _ => changed,
    };
    if lower == word || capitalised(&lower) == word {
        format!("{rest}{changed}")
    } else {
        format!("{rest}{}", change(word))
    }
}

/// Words that no rule makes: singular, plural.
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("man", "men"),
    ("woman", "women"),
    ("child", "children"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("ox", "oxen"),
    ("datum", "data"),
    ("medium", "media"),
    ("criterion", "criteria"),
    ("analysis", "analyses"),
    ("basis", "bases"),
    ("crisis", "crises"),
    ("thesis", "theses"),
    ("axis", "axes"),
    ("index", "indices"),
    ("matrix", "matrices"),
    ("vertex", "vertices"),
    ("quiz", "quizzes"),
    ("movie", "movies"),
    ("cookie", "cookies"),
    ("cache", "caches"),
    ("shoe", "shoes"),
    ("status", "statuses"),
    ("alias", "aliases"),
    ("bus", "buses"),
    ("virus", "viruses"),
    ("campus", "campuses"),
    ("bonus", "bonuses"),
    ("leaf", "leaves"),
    ("life", "lives"),
    ("knife", "knives"),
    ("wife", "wives"),
    ("half", "halves"),
    ("shelf", "shelves"),
    ("self", "selves"),
    ("wolf", "wolves"),
    ("hero", "heroes"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("echo", "echoes"),
];
/// Words that are their own plural.
const UNCHANGED: &[&str] = &[
    "equipment",
    "information",
    "money",
    "species",
    "series",
    "fish",
    "sheep",
    "news",
    "metadata",
    "software",
    "feedback",
];

fn plural(word: &str) -> String {
    if UNCHANGED.contains(&word) || IRREGULAR.iter().any(|(_, plural)| *plural == word) {
        return word.to_owned();
    }
    if let Some((_, plural)) = IRREGULAR.iter().find(|(singular, _)| *singular == word) {
        return (*plural).to_owned();
    }
    let es = ["s", "x", "z", "ch", "sh"];
    match word.strip_suffix('y') {
        Some(stem) if !stem.is_empty() && !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        // A plural already.
        _ if word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") && !word.ends_with("is") => {
            word.to_owned()
        }
        _ if word.is_empty() => String::new(),
        _ if es.iter().any(|end| word.ends_with(end)) => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

fn singular(word: &str) -> String {
    if UNCHANGED.contains(&word) || IRREGULAR.iter().any(|(singular, _)| *singular == word) {
        return word.to_owned();
    }
    if let Some((singular, _)) = IRREGULAR.iter().find(|(_, plural)| *plural == word) {
        return (*singular).to_owned();
    }
    let es = ["sses", "shes", "ches", "xes", "zes"];
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        format!("{stem}y")
    } else if es.iter().any(|end| word.ends_with(end)) {
        word[..word.len() - 2].to_owned()
    } else if word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        word[..word.len() - 1].to_owned()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_does_what_the_specification_says() {
        let cases = [
            ("!singularize", "users", "user"),
            ("!singularize", "categories", "category"),
            ("!singularize", "addresses", "address"),
            ("!singularize", "address", "address"),
            ("!singularize", "statuses", "status"),
            ("!singularize", "status", "status"),
            ("!singularize", "orderItems", "orderItem"),
            ("!singularize", "order-boxes", "order-box"),
            ("!singularize", "People", "Person"),
            ("!singularize", "movies", "movie"),
            ("!singularize", "databases", "database"),
            ("!singularize", "houses", "house"),
            ("!singularize", "ties", "tie"),
            ("!pluralize", "user", "users"),
            ("!pluralize", "users", "users"),
            ("!pluralize", "category", "categories"),
            ("!pluralize", "day", "days"),
            ("!pluralize", "box", "boxes"),
            ("!pluralize", "orderItem", "orderItems"),
            ("!pluralize", "person", "people"),
            ("!uppercase", "userId", "USERID"),
            ("!lowercase", "userId", "userid"),
            ("!lowercamelcase", "UserId", "userId"),
            ("!lowercamelcase", "user_id", "userId"),
            ("!uppercamelcase", "userId", "UserId"),
            ("!lowerunderscorecase", "userId", "user_id"),
            ("!upperunderscorecase", "userId", "USER_ID"),
            ("!lowerhyphencase", "userId", "user-id"),
            ("!upperhyphencase", "userId", "USER-ID"),
            ("!pluralize", "", ""),
            ("!singularize", "s", ""),
            ("!uppercamelcase", "ünïts", "Ünïts"),
        ];
        for (function, text, expected) in cases {
            assert_eq!(apply(function, text).as_deref(), Some(expected), "{text} {function}");
        }
        assert_eq!(apply("!reverse", "a"), None);
        assert_eq!(apply("uppercase", "a"), None);
    }
}
