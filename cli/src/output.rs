//! Where words go: data to stdout, chatter to stderr; a closed pipe ends a verb quietly.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::global::Global;
use crate::printable;

/// The two outlets of a verb.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    /// A person reads the data.
    terminal: bool,
    data: Box<dyn Write>,
    chatter: Box<dyn Write>,
}

impl Output {
    /// stdout and stderr of this process.
    pub(crate) fn standard(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            terminal: io::stdout().is_terminal(),
            data: Box::new(io::stdout()),
            chatter: Box::new(io::stderr()),
        }
    }

    /// Whether JSON was asked for.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// One line of data.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.data, "{}", text.as_ref())
    }

    /// A text of another agent: as it is where a program reads it, without hidden characters where a person does.
    pub(crate) fn foreign(&mut self, text: &str) -> io::Result<()> {
        if self.terminal {
            return self.line(printable::text(text).trim_end_matches('\n'));
        }
        self.line(text.strip_suffix('\n').unwrap_or(text))
    }

    /// A record as one line of JSON.
    pub(crate) fn record(&mut self, record: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.data, record)?;
        writeln!(self.data)
    }

    /// A body as it came from an API, as one line of JSON.
    pub(crate) fn body(&mut self, body: &[u8]) -> io::Result<()> {
        let value: Value = serde_json::from_slice(body)?;
        self.record(&value)
    }

    /// A table: one row a line, columns padded, nothing else.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        writeln!(self.data, "{}", table.trim_fmt())
    }

    /// Something worth knowing that is not data.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        writeln!(self.chatter, "{}", text.as_ref())
    }

    /// Brings everything out.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.data.flush()
    }
}

/// An empty table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
