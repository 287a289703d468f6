//! `--where`: a condition on an exchange, in the Common Expression Language (<https://cel.dev>).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::{Context, Env, ExecutionError, Program, Value};
use umbra_common::exchange::Exchange;

use super::names::{self, Unknown};
use super::variables::{self, VARIABLES};
use crate::text::serde_as_text;

/// An expression over one exchange that is true or false.
#[derive(Clone)]
pub struct Condition {
    compiled: Arc<Compiled>,
}

struct Compiled {
    source: String,
    program: Program,
    env: Arc<Env>,
    /// Those of [`VARIABLES`] that the expression speaks of: no other is worth computing.
    variables: Vec<&'static str>,
    /// Said once that it could not be decided.
    undecided: AtomicBool,
}

/// A text that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionParseError {
    /// It is no expression.
    #[error("column {column}: {why}")]
    Syntax {
        /// Where, counted from 1.
        column: usize,
        /// In the parser's words.
        why: String,
    },
    /// It speaks of what no exchange has.
    #[error("column {}: there is no {} '{}'{}; there are {}", .0.column, .0.kind, .0.name, did_you_mean(.0.nearest.as_deref()), .0.known)]
    Unknown(Unknown),
    /// It is neither true nor false.
    #[error("it yields {0}, not true or false: compare it with something")]
    NoCondition(&'static str),
    /// It compares what cannot be compared.
    #[error("it cannot be decided: {0}")]
    Types(String),
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean '{name}'?"))
}

impl Condition {
    /// Whether it holds. Where it cannot be decided, as where it asks for a header that the request does not have, it
    /// does not.
    pub fn holds(&self, exchange: &Exchange) -> bool {
        match self.compiled.evaluate(exchange) {
            Ok(Value::Bool(holds)) => holds,
            Err(ExecutionError::NoSuchKey(_)) => false,
            other => {
                if !self.compiled.undecided.swap(true, Ordering::Relaxed) {
                    let why = other.err().map_or_else(|| "it is no condition".to_owned(), |e| e.to_string());
                    tracing::warn!(condition = self.compiled.source, exchange = %exchange.id, why,
                        "a condition cannot be decided; such exchanges are left out");
                }
                false
            }
        }
    }
}

impl Compiled {
    fn evaluate(&self, exchange: &Exchange) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        for name in &self.variables {
            context.add_variable_from_value(*name, variables::value(name, exchange));
        }
        self.program.execute(&context)
    }
}

impl FromStr for Condition {
    type Err = ConditionParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let env = Arc::new(Env::stdlib());
        let program = env.compile(text).map_err(|errors| syntax(&errors, text))?;
        names::check(&program, text).map_err(ConditionParseError::Unknown)?;
        let variables = {
            let references = program.references();
            VARIABLES.iter().copied().filter(|name| references.has_variable(name)).collect()
        };
        let compiled = Compiled { source: text.to_owned(), program, env, variables, undecided: AtomicBool::new(false) };
        // What cannot be decided for one exchange, but for what it lacks, can be for none.
        match compiled.evaluate(&variables::probe()) {
            Ok(Value::Bool(_)) => {}
            Ok(other) => return Err(ConditionParseError::NoCondition(kind(&other))),
            Err(
                error @ (ExecutionError::NoSuchOverload(_)
                | ExecutionError::ValuesNotComparable(..)
                | ExecutionError::UnexpectedType { .. }
                | ExecutionError::UndeclaredReference(_)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::FunctionError { .. }
                | ExecutionError::InvalidArgumentCount { .. }),
            ) => return Err(ConditionParseError::Types(lower(&error.to_string()))),
            Err(_) => {}
        }
        Ok(Self { compiled: Arc::new(compiled) })
    }
}

fn syntax(errors: &cel::ParseErrors, text: &str) -> ConditionParseError {
    let Some(first) = errors.errors.first() else {
        return ConditionParseError::Syntax { column: 1, why: format!("'{text}' is no expression") };
    };
    let column = usize::try_from(first.pos.1).unwrap_or(0).max(1);
    ConditionParseError::Syntax { column, why: lower(&first.msg) }
}

fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::Timestamp(_) => "a time",
        Value::Duration(_) => "a duration",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        _ => "something else",
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.compiled.source)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.compiled.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.compiled.source == other.compiled.source
    }
}

impl Eq for Condition {}

serde_as_text!(Condition);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;
    use std::time::Duration;

    fn holds(text: &str) -> bool {
        let mut exchange = exchange("/v1/orders/42?debug=1&q=%20", Duration::ZERO);
        exchange.request.authority = bytes::Bytes::from_static(b"API.example.com:8080");
        exchange.request.headers.push("X-Env", "blue");
        exchange.request.headers.push("x-env", "green");
        exchange.client = Some("192.0.2.7:1234".parse().unwrap());
        exchange.session = bytes::Bytes::from_static(&[0xab, 0x01]);
        text.parse::<Condition>().unwrap_or_else(|e| panic!("{text}: {e}")).holds(&exchange)
    }

    fn error(text: &str) -> String {
        text.parse::<Condition>().unwrap_err().to_string()
    }

    #[test]
    fn conditions_speak_of_everything_that_is_recorded() {
        for yes in [
            "method == 'GET' && path.startsWith('/v1/')",
            "path.matches('^/v1/orders/[0-9]+$')",
            "query == 'debug=1&q=%20'",
            "target.contains('?')",
            "host == 'api.example.com:8080'",
            "scheme == 'http' && protocol == 'HTTP/1.1' && !grpc",
            "headers['x-env'] == 'blue, green'",
            "'x-env' in headers && !('x-no' in headers)",
            "status == 200 && response_size == 0",
            "size < 10",
            "session == 'ab01'",
            "client == '192.0.2.7'",
            "time >= timestamp('2023-11-14T22:13:20Z') && time < timestamp('2023-11-14T22:13:21Z')",
            "took < duration('1s')",
            "ending == 'complete'",
            "['GET', 'HEAD'].exists(m, m == method)",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in ["method == 'POST'", "headers['x-no'] == ''", "status >= 500", "size > 0"] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        assert!(error("method = 'GET'").starts_with("column 8:"), "{}", error("method = 'GET'"));
        assert!(error("status >").starts_with("column 9:"), "{}", error("status >"));
        assert!(error("").starts_with("column 1:"), "{}", error(""));
        let unknown = error("status == 200 && metod == 'GET'");
        assert!(unknown.starts_with("column 18: there is no variable 'metod', did you mean 'method'?"), "{unknown}");
        let function = error("path.startWith('/a')");
        assert!(function.contains("there is no function 'startWith', did you mean 'startsWith'?"), "{function}");
        assert!(error("path").contains("yields a text"));
        assert!(error("size + 1").contains("yields a number"));
        assert!(error("status == 'ok' || path > 3").contains("cannot be decided"), "{}", error("path > 3"));
        assert!(error("path.matches('[')").contains("cannot be decided"), "{}", error("path.matches('[')"));
    }
}
