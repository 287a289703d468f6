//! What the demo shows: the picture at the start, the table in the middle, the sums at the end.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use crate::agreement::Evidence;
use crate::screen::{Screen, Style};
use crate::sighting::{ODD, Sighting, text};

/// One rule under the header, one under the last row, no more lines than that.
const RULES: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Who is where.
pub struct Places<'a> {
    /// The recorder's address, which clients use.
    pub recorder: &'a str,
    /// Production.
    pub v1: &'a str,
    /// The store's URL.
    pub store: &'a str,
    /// Staging.
    pub v2: &'a str,
}

impl Places<'_> {
    /// Draws the path that a request takes.
    pub fn show(&self, screen: &Screen) {
        let Self { recorder, v1, store, v2 } = self;
        screen.styled(Style::Bold, "Umbra: what production receives, sent again to staging");
        screen.line("");
        screen.line(format_args!("   client ───► recorder   {recorder}"));
        screen.line(format_args!("              │   └────► v1, production   {v1}"));
        screen.line("              │  a copy, never waited for");
        screen.line("              ▼");
        screen.line(format_args!("            store      {store}"));
        screen.line("              │  whenever you like");
        screen.line("              ▼");
        screen.line(format_args!("            replayer ────► v2, staging      {v2}"));
    }
}

/// What the store keeps of one request that carried a credential.
pub fn masking(sent: &[Sighting], recorded: &[Sighting], screen: &Screen) {
    let credential = |s: &Sighting| s.authorization.as_deref().map_or_else(|| "nothing".to_owned(), text);
    let with = sent.iter().find(|s| s.authorization.is_some());
    if let Some((sent, record)) = with.and_then(|s| Some((s, recorded.iter().find(|r| r.id == s.id)?))) {
        screen.line(format_args!("   {} {} was sent with a credential:", sent.method, sent.target));
        screen.line(format_args!("      the client sent   authorization: {}", credential(sent)));
        screen.line(format_args!("      the store keeps   authorization: {}", credential(record)));
    }
}

impl Evidence {
    /// Each request, side by side.
    pub fn show_side_by_side(&self, screen: &Screen) {
        let mut table = Table::new();
        table.load_style(RULES).set_content_arrangement(ContentArrangement::Disabled).set_header([
            "client sent",
            "v1 answered",
            "v2 received Host",
            "recorded",
            "shadow",
        ]);
        for sent in &self.sent {
            let status = |places: &[Sighting]| match places.iter().find(|s| s.id == sent.id) {
                None => "missing".to_owned(),
                Some(seen) => seen.status.map_or_else(|| "none".to_owned(), |s| s.to_string()),
            };
            let host = self.v2.iter().find(|s| s.id == sent.id).map_or("missing", |s| &s.host);
            table.add_row([
                format!("{} {}", sent.method, sent.target),
                sent.status.map_or_else(|| "none".to_owned(), |s| s.to_string()),
                host.to_owned(),
                status(&self.recorded),
                status(&self.v2),
            ]);
        }
        for line in table.lines() {
            screen.line(format_args!("  {}", line.trim_end()));
        }
        self.show_odd_bytes(screen);
    }

    /// What no tool that takes headers for text would have kept.
    fn show_odd_bytes(&self, screen: &Screen) {
        let Some((sent, odd)) = self.sent.iter().find_map(|s| Some((s, s.odd.as_deref()?))) else { return };
        let seen = |places: &[Sighting]| {
            let there = places.iter().find(|p| p.id == sent.id).and_then(|p| p.odd.as_deref());
            there.map_or_else(|| "nothing".to_owned(), text)
        };
        screen.line("");
        screen.line(format_args!("   {} {} carried bytes that are no UTF-8:", sent.method, sent.target));
        screen.line(format_args!("      the client sent   {ODD}: {}", text(odd)));
        screen.line(format_args!("      the store keeps   {ODD}: {}", seen(&self.recorded)));
        screen.line(format_args!("      v2 received       {ODD}: {}", seen(&self.v2)));
    }

    /// The counts in each place and both ledgers, then the verdict. True where all agree.
    pub fn show_sums(&self, screen: &Screen) -> bool {
        let Self { sent, v1, recorded, v2, recorder, replayer } = self;
        let (sent, v1, recorded, v2) = (sent.len(), v1.len(), recorded.len(), v2.len());
        screen.line(format_args!(
            "   client sent {sent}  ·  v1 received {v1}  ·  recorded {recorded}  ·  v2 received {v2}"
        ));
        screen.line(format_args!("   recorder's ledger   {recorder}"));
        screen.line(format_args!("   replayer's ledger   {replayer}"));
        screen.line("");
        let differences = self.differences();
        if differences.is_empty() {
            screen.styled(
                Style::Good,
                format_args!(
                    "   All agree: {sent} requests, each once, with the same method, target, odd bytes and body;\n   \
                     staging saw each of them as traffic for the shadow host."
                ),
            );
        } else {
            screen.styled(Style::Bad, "   Not everything agrees:");
            for difference in &differences {
                screen.styled(Style::Bad, format_args!("   - {difference}"));
            }
        }
        differences.is_empty()
    }
}
