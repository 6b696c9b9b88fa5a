//! The text of a note (contract 4.0): a header, a blank line, and one numbered line per action.
//!
//! Guaranteed: lines are ordered by time and otherwise by arrival; a blank line stands wherever the
//! time bin changes; [`render`] always succeeds, and every line is in exactly one of its pieces.
//! Deliberately absent: titles, addresses and anything else about an action but its sentence.

use jiff::SignedDuration;
use jiff::civil::date;
use thiserror::Error;

/// One action's line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it happened, Unix seconds; `None` sorts like 0, but a note that begins with it is
    /// dated now.
    pub at: Option<f64>,
    /// The sentence, printed as it is.
    pub description: String,
}

/// One note of bounded length.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The whole text, header included.
    pub text: String,
    /// Which lines it tells, as positions in the rendered slice, in the order of the text.
    pub lines: Vec<usize>,
}

/// A time that no calendar date can be given for: before the year 1 or after 9999.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{0} seconds are outside the calendar")]
pub struct Unrenderable(pub f64);

/// The header with the empty line that follows it. A missing or empty session is `unknown`.
pub fn header(session_id: Option<&str>, timestamp: f64) -> Result<String, Unrenderable> {
    let session = session_id.filter(|id| !id.is_empty()).unwrap_or("unknown");
    let moment = date(1970, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(SignedDuration::from_secs(
            whole_seconds(timestamp).ok_or(Unrenderable(timestamp))?,
        ))
        .ok()
        .filter(|moment| moment.year() >= 1)
        .ok_or(Unrenderable(timestamp))?;
    Ok(format!(
        "session_id: {session}\ntimestamp: {:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC\n\n",
        moment.year(),
        moment.month(),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    ))
}

/// The note in pieces of at most `bytes_max` bytes, each under the same header, the numbers running
/// on. It is dated by its first line, or `now` when that line has no time or there is no line. A
/// `bin_seconds` of 0 means no blank lines.
///
/// Never fails: where the first line's time cannot be printed (a source that counts milliseconds),
/// the note is dated `now`. A line too long for a piece of its own is cut and ends in `…`; only a
/// limit smaller than header, number and `…` together is exceeded.
pub fn render(
    session_id: Option<&str>,
    lines: &[Line],
    bin_seconds: f64,
    now: f64,
    bytes_max: usize,
) -> Vec<Piece> {
    let ordered = in_order(lines);
    let header = [first_time(&ordered), Some(now)]
        .into_iter()
        .flatten()
        .find_map(|at| header(session_id, at).ok())
        .or_else(|| header(session_id, 0.0).ok())
        .unwrap_or_default();
    split(&header, &ordered, bin_seconds, bytes_max)
}

/// Puts ordered lines under as many copies of `header` as `bytes_max` asks for: at least one, even
/// without lines.
fn split(
    header: &str,
    ordered: &[(usize, &Line)],
    bin_seconds: f64,
    bytes_max: usize,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut piece = Piece {
        text: header.to_owned(),
        lines: Vec::new(),
    };
    let mut last_bin = None;
    for (number, (position, line)) in (1..).zip(ordered) {
        let bin = (bin_seconds != 0.0).then(|| floor_div(time_of(line), bin_seconds));
        let text = fitting(
            number,
            &line.description,
            bytes_max.saturating_sub(header.len()),
        );
        let gap = match (piece.lines.is_empty(), bin == last_bin) {
            (true, _) => "",
            (false, true) => "\n",
            (false, false) => "\n\n",
        };
        if !piece.lines.is_empty() && piece.text.len() + gap.len() + text.len() > bytes_max {
            pieces.push(std::mem::replace(
                &mut piece,
                Piece {
                    text: header.to_owned(),
                    lines: Vec::new(),
                },
            ));
        } else {
            piece.text.push_str(gap);
        }
        piece.text.push_str(&text);
        piece.lines.push(*position);
        last_bin = bin;
    }
    pieces.push(piece);
    pieces
}

/// `[number] description`, cut at a character so that it takes at most `bytes_max` bytes.
fn fitting(number: usize, description: &str, bytes_max: usize) -> String {
    let mut text = format!("[{number}] ");
    if text.len() + description.len() <= bytes_max {
        text.push_str(description);
        return text;
    }
    let room = bytes_max.saturating_sub(text.len() + ELLIPSIS.len());
    let end = description.floor_char_boundary(room);
    text.push_str(description.get(..end).unwrap_or_default());
    text.push_str(ELLIPSIS);
    text
}

/// The lines by time, stably, with their positions.
fn in_order(lines: &[Line]) -> Vec<(usize, &Line)> {
    let mut ordered: Vec<_> = lines.iter().enumerate().collect();
    ordered.sort_by(|(_, one), (_, other)| time_of(one).total_cmp(&time_of(other)));
    ordered
}

/// The time a line is sorted and binned by. Adding zero makes the two zeros one.
fn time_of(line: &Line) -> f64 {
    line.at.unwrap_or(0.0) + 0.0
}

fn first_time(ordered: &[(usize, &Line)]) -> Option<f64> {
    ordered.first().and_then(|(_, line)| line.at)
}

/// The exact floor of `dividend / divisor`: the quotient of the rounded operands would put 1.0 into
/// bin 10 of width 0.1, although 0.1 as a double is a little more than a tenth.
fn floor_div(dividend: f64, divisor: f64) -> f64 {
    let remainder = dividend % divisor;
    let mut quotient = (dividend - remainder) / divisor;
    if remainder != 0.0 && (divisor < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    quotient.round()
}

/// The second that `timestamp` falls into after its fraction was rounded to microseconds, half to
/// even; `None` when it does not fit.
fn whole_seconds(timestamp: f64) -> Option<i64> {
    let micros = (timestamp.fract() * 1e6).round_ties_even();
    let carry = if micros >= 1e6 {
        1.0
    } else if micros < 0.0 {
        -1.0
    } else {
        0.0
    };
    let seconds = timestamp.trunc() + carry;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the seconds are whole, and the range is checked first"
    )]
    let whole = (seconds.abs() < SECONDS_MAX).then_some(seconds as i64);
    whole
}

/// Far beyond the calendar, and exact as a double.
const SECONDS_MAX: f64 = 1e15;

const ELLIPSIS: &str = "…";
