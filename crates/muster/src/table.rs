//! Tables for people, and CSV (RFC 4180).

/// The widest a column gets.
const WIDEST: usize = 48;

/// Renders rows under a head. Control characters are shown as `�`: names come from outside.
pub(crate) fn render(head: &[&str], rows: &[Vec<String>], csv: bool) -> String {
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    if csv {
        return all
            .iter()
            .map(|row| row.iter().map(|cell| quote(cell)).collect::<Vec<_>>().join(",") + "\r\n")
            .collect();
    }
    let shown: Vec<Vec<String>> = all.iter().map(|row| row.iter().map(|cell| show(cell)).collect()).collect();
    let widths: Vec<usize> =
        (0..head.len()).map(|at| shown.iter().map(|row| width(&row[at])).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &wide)| format!("{cell}{}", " ".repeat(wide - width(cell)))).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    shown.iter().map(line).collect()
}

fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn show(cell: &str) -> String {
    let clean: String = cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.chars().count() <= WIDEST { clean } else { clean.chars().take(WIDEST - 1).chain(['…']).collect() }
}

/// How many columns a terminal gives a text: East Asian wide characters take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_tables_cut_and_clean() {
        let rows = vec![vec!["Doe, \"J\"".to_owned(), "a\tb".to_owned()]];
        assert_eq!(render(&["name", "x"], &rows, true), "name,x\r\n\"Doe, \"\"J\"\"\",a\tb\r\n");
        assert_eq!(render(&["name", "x"], &rows, false), "name      x\nDoe, \"J\"  a\u{fffd}b\n");
        let long = render(&["n"], &[vec!["x".repeat(60)]], false);
        assert!(long.ends_with("…\n"), "{long}");
        assert_eq!(width("山田"), 4);
    }
}
