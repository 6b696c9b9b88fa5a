//! What was asked, done and told.

use std::process::ExitCode;

use serde_json::Value;

use super::errand::{Errand, Task};
use super::registrar::Registrar;
use super::shown::{
    KEYS, LISTED, invited, issued, issued_anew, issued_key, key_row, product_row, whole,
};
use crate::cli::connect::Service;
use crate::cli::fields::text;
use crate::cli::run::{complain, print, print_block};
use crate::cli::table::Table;
use crate::config::Config;
use crate::terminal::{Terminal, printable};

/// Asks the service, or the store where none runs.
pub(in crate::cli) async fn run(
    task: anyhow::Result<Task>,
    service: Service,
    config: Config,
    out: Terminal,
) -> anyhow::Result<ExitCode> {
    let Task { errand, is_json } = task?;
    let registrar = Registrar::find(&service, config).await?;
    let done = registrar.carry_out(&errand).await;
    registrar.close().await;
    let answer = done?;
    if is_json {
        print_block(&as_json(&errand, &answer));
    } else {
        tell(&errand, &answer, out);
    }
    Ok(ExitCode::SUCCESS)
}

/// One object per line: what is listed has one each.
fn as_json(errand: &Errand, answer: &Value) -> String {
    let all = match errand {
        Errand::List => rows(answer, "products"),
        Errand::ListKeys(_) => rows(answer, "keys"),
        _ => std::slice::from_ref(answer),
    };
    all.iter().map(|one| format!("{one}\n")).collect()
}

fn rows<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    let rows = answer[name].as_array();
    rows.map(Vec::as_slice).unwrap_or_default()
}

fn tell(errand: &Errand, answer: &Value, out: Terminal) {
    match errand {
        Errand::Register(_) => {
            print_block(&issued(out, answer));
            remark(answer);
        }
        Errand::Rotate(..) => {
            print_block(&issued_anew(out, answer));
        }
        Errand::List => {
            let products = rows(answer, "products");
            let table: Vec<_> = products.iter().map(product_row).collect();
            print_block(&Table::new(out, &LISTED).page(&table));
            if products.is_empty() {
                complain("there are no products yet; event-connector products add registers one");
            }
        }
        Errand::Show(_) | Errand::Change(..) => {
            print_block(&whole(out, answer));
        }
        Errand::Remove(id) => print(&format!(
            "{} is removed; event-connector products add --force with its name, or its project again, brings it \
             back within registration.purge_after_s",
            printable(id)
        )),
        // In a pipe it stands alone, to be put into a variable or a file.
        Errand::Invite(_) if !out.is_terminal() => {
            print(&text(answer, "url"));
        }
        Errand::Invite(_) => {
            print_block(&invited(out, answer));
        }
        Errand::CreateKey(id, _) if !out.is_terminal() => {
            print(&text(answer, "key"));
            let key_id = text(answer, "key_id");
            complain(&format!(
                "this is {key_id} of {}; it is shown this once",
                printable(id)
            ));
        }
        Errand::CreateKey(..) => {
            print_block(&issued_key(out, answer));
        }
        Errand::ListKeys(id) => {
            let keys = rows(answer, "keys");
            let table: Vec<_> = keys.iter().map(key_row).collect();
            print_block(&Table::new(out, &KEYS).page(&table));
            if keys.is_empty() {
                complain(&format!("no key was issued for {}", printable(id)));
            }
        }
        Errand::RevokeKey(id, key_id) => print(&format!(
            "{} of {} is revoked",
            printable(key_id),
            printable(id)
        )),
    }
}

/// What whoever registered should know of it.
fn remark(answer: &Value) {
    for notice in rows(answer, "notices").iter().filter_map(Value::as_str) {
        complain(&printable(notice));
    }
}
