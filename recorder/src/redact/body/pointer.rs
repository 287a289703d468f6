//! JSON pointers (RFC 6901), with `*` for any member or element and `**` for any number of steps.

use crate::rules::{Action, RulesError};

/// Where a secret stands in a document.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<Step>,
    pub(super) action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member of this name, or the element of this index.
    Name(Vec<u8>),
    /// Any member or element.
    Any,
    /// Any number of members and elements, none included.
    Deep,
}

/// Where a reader of a document stands: so many steps of a pointer lie behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pointer: usize,
    step: usize,
}

impl Pointer {
    pub(super) fn new(place: &str, text: &str, action: Action) -> Result<Self, RulesError> {
        let wrong = |why: &str| RulesError::value(place, text, format!("is no JSON pointer: {why}"));
        let steps = match text.strip_prefix('/') {
            None if text.is_empty() => Vec::new(),
            None => return Err(wrong("it begins with '/', as in /user/password")),
            Some(rest) => rest
                .split('/')
                .map(|step| Step::new(step).ok_or_else(|| wrong("'~' stands before 0 or 1")))
                .collect::<Result<_, _>>()?,
        };
        if steps.last() == Some(&Step::Deep) {
            return Err(wrong("a name follows '**'"));
        }
        Ok(Self { text: text.to_owned(), steps, action })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Step {
    fn new(step: &str) -> Option<Self> {
        match step {
            "*" => return Some(Self::Any),
            "**" => return Some(Self::Deep),
            _ => {}
        }
        let mut name = String::new();
        let mut chars = step.chars();
        while let Some(c) = chars.next() {
            name.push(match c {
                '~' => match chars.next()? {
                    '0' => '~',
                    '1' => '/',
                    _ => return None,
                },
                c => c,
            });
        }
        Some(Self::Name(name.into_bytes()))
    }
}

/// Where a reader stands before a document's first byte.
pub(super) fn start(pointers: &[Pointer]) -> Vec<At> {
    let mut all = Vec::new();
    for pointer in 0..pointers.len() {
        reach(pointers, &mut all, At { pointer, step: 0 });
    }
    all
}

/// What is done to the value that a reader stands at; nothing where no pointer ends there.
pub(super) fn hit(pointers: &[Pointer], at: &[At]) -> Option<Action> {
    at.iter().find_map(|at| {
        let pointer = pointers.get(at.pointer)?;
        (pointer.steps.len() == at.step).then_some(pointer.action)
    })
}

/// Where a reader stands that goes into the member or element of this name.
pub(super) fn enter(pointers: &[Pointer], at: &[At], name: &[u8]) -> Vec<At> {
    let mut all = Vec::new();
    for at in at {
        let next = At { step: at.step + 1, ..*at };
        match pointers.get(at.pointer).and_then(|pointer| pointer.steps.get(at.step)) {
            Some(Step::Name(wanted)) if wanted == name => reach(pointers, &mut all, next),
            Some(Step::Any) => reach(pointers, &mut all, next),
            Some(Step::Deep) => reach(pointers, &mut all, *at),
            Some(Step::Name(_)) | None => {}
        }
    }
    all
}

/// Adds a place and, since `**` may stand for no step at all, the one behind it.
fn reach(pointers: &[Pointer], all: &mut Vec<At>, at: At) {
    if !all.contains(&at) {
        all.push(at);
    }
    if pointers.get(at.pointer).and_then(|pointer| pointer.steps.get(at.step)) == Some(&Step::Deep) {
        let behind = At { step: at.step + 1, ..at };
        if !all.contains(&behind) {
            reach(pointers, all, behind);
        }
    }
}
