//! Payment card numbers, so that none of them becomes the name of a button (contract 3.6.2).

/// Whether `text` holds 13 to 19 digits, possibly in groups, that pass the card checksum. Groups
/// are separated by one space, dash or dot; every run of whole groups is tried, because an expiry
/// date or an order number may stand next to the card's.
pub(crate) fn holds_card_number(text: &str) -> bool {
    if text.bytes().filter(u8::is_ascii_digit).count() < DIGITS_MIN && text.is_ascii() {
        return false;
    }
    let mut run = Run::default();
    for c in text.chars() {
        if run.push(c) {
            return true;
        }
    }
    run.ends_in_card_number()
}

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;

/// Digits read so far, and where their groups begin.
#[derive(Default)]
struct Run {
    digits: Vec<u32>,
    group_starts: Vec<usize>,
    in_group: bool,
    separated: bool,
}

impl Run {
    /// Takes one more character; whether a card number ended before it.
    fn push(&mut self, c: char) -> bool {
        if let Some(digit) = digit_value(c) {
            if !self.in_group {
                self.group_starts.push(self.digits.len());
                self.in_group = true;
            }
            self.separated = false;
            self.digits.push(digit);
            return false;
        }
        let found = self.in_group && self.ends_in_card_number();
        self.in_group = false;
        let separates =
            !self.separated && (c.is_whitespace() || matches!(c, '-' | '.' | '‑' | '–'));
        if separates {
            self.separated = true;
        } else {
            self.digits.clear();
            self.group_starts.clear();
        }
        found
    }

    /// Whether some run of whole groups up to here is a card number.
    fn ends_in_card_number(&self) -> bool {
        self.group_starts
            .iter()
            .rev()
            .take(DIGITS_MAX)
            .map(|start| &self.digits[*start..])
            .any(|digits| {
                (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && passes_checksum(digits)
            })
    }
}

/// The Luhn checksum.
fn passes_checksum(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(position, digit)| match (position % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The value of a decimal digit in ASCII, full-width or Arabic writing.
fn digit_value(c: char) -> Option<u32> {
    let zero = match c {
        '0'..='9' => '0',
        '０'..='９' => '０',
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        _ => return None,
    };
    Some(u32::from(c) - u32::from(zero))
}
