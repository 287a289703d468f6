//! The names that an expression uses, looked up before it is ever evaluated.

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::variables::VARIABLES;
use crate::text::nearest;

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands, counted from 1.
    pub column: usize,
    /// What it was used as.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// What may have been meant.
    pub nearest: Option<String>,
    /// Those that there are.
    pub known: String,
}

/// The functions of the language's standard library that an expression can call by name.
const FUNCTIONS: [&str; 31] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "type",
    "dyn",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// Names of types, which stand where variables do.
const TYPES: [&str; 10] = ["int", "uint", "double", "string", "bytes", "bool", "list", "map", "null_type", "type"];

/// Fails at the first name that is neither a variable of an exchange nor a function of the language.
pub(super) fn check(program: &Program, source: &str) -> Result<(), Unknown> {
    let walk = Walk { program, source };
    walk.expression(program.expression(), &mut Vec::new())
}

struct Walk<'a> {
    program: &'a Program,
    source: &'a str,
}

impl<'a> Walk<'a> {
    /// `bound` are the names that macros like `exists` have introduced.
    fn expression(&self, at: &'a IdedExpr, bound: &mut Vec<&'a str>) -> Result<(), Unknown> {
        match &at.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => {
                let known = bound.contains(&name.as_str()) || VARIABLES.contains(&name.as_str());
                // Accumulators of macros have names that no source can spell.
                if known || TYPES.contains(&name.as_str()) || name.starts_with(['@', '_']) {
                    return Ok(());
                }
                Err(self.unknown(at.id, "variable", name, &VARIABLES))
            }
            Expr::Select(select) => self.expression(&select.operand, bound),
            Expr::Call(call) => {
                // Operators have names like `_==_`.
                let named = call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
                if named && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    return Err(self.unknown(at.id, "function", &call.func_name, &FUNCTIONS));
                }
                call.target.iter().try_for_each(|target| self.expression(target, bound))?;
                call.args.iter().try_for_each(|argument| self.expression(argument, bound))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element, bound)),
            Expr::Map(map) => self.entries(map.entries.iter().map(|e| &e.expr), bound),
            Expr::Struct(structure) => self.entries(structure.entries.iter().map(|e| &e.expr), bound),
            Expr::Comprehension(over) => {
                self.expression(&over.iter_range, bound)?;
                let before = bound.len();
                bound.extend([over.iter_var.as_str(), over.accu_var.as_str()]);
                bound.extend(over.iter_var2.as_deref());
                let parts = [&over.accu_init, &over.loop_cond, &over.loop_step, &over.result];
                let checked = parts.into_iter().try_for_each(|part| self.expression(part, bound));
                bound.truncate(before);
                checked
            }
        }
    }

    fn entries(&self, entries: impl Iterator<Item = &'a EntryExpr>, bound: &mut Vec<&'a str>) -> Result<(), Unknown> {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => self.expression(&field.value, bound)?,
                EntryExpr::MapEntry(pair) => {
                    self.expression(&pair.key, bound)?;
                    self.expression(&pair.value, bound)?;
                }
            }
        }
        Ok(())
    }

    fn unknown(&self, id: u64, kind: &'static str, name: &str, known: &[&'static str]) -> Unknown {
        let start = self.program.source_info().offset_for(id).map_or(0, |(start, _)| start as usize);
        // A call is marked where its parenthesis stands.
        let from = self.source.get(..start).map_or(0, |before| before.rfind(name).unwrap_or(start));
        let at = self.source.get(start..).filter(|rest| rest.starts_with(name)).map_or(from, |_| start);
        let column = self.source.get(..at).map_or(at, |before| before.chars().count()) + 1;
        let nearest = nearest(name, known.iter().copied()).map(str::to_owned);
        Unknown { column, kind, name: name.to_owned(), nearest, known: known.join(", ") }
    }
}
