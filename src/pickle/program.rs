//! What a pickle would build, as far as tensors go. A pickle is a program: it is read step by step, and nothing of it is run.
//!
//! Dictionaries, lists and tensors are followed. Every other object (options, optimizers, numbers of numpy) is an empty place
//! with the entries that were put there: its class is never looked for and none of its code exists here. What would run a
//! program or reach for files is refused by its name.

use std::collections::HashMap;
use std::rc::Rc;

use super::storage::{Kind, Place, Storage};

pub(super) const SHORT: &str = "it ends too early";
pub(super) const ODD: &str = "its pickle is damaged, or no program that saves networks wrote it";
/// Bytes of a name: dictionaries within dictionaries must end somewhere. Longer texts are of no use here.
const LONGEST: usize = 300;
/// Sides of a tensor; a kernel has four.
pub(super) const MOST_SIDES: usize = 8;
/// Operations of a pickle, and with them what it builds. A tensor takes some fifty.
pub(super) const MOST_OPERATIONS: usize = 1 << 22;
/// Modules whose functions run programs, load code or reach out of the process, by the first word of their names.
const HOSTILE: [&str; 14] = [
    "os",
    "posix",
    "nt",
    "sys",
    "subprocess",
    "commands",
    "shutil",
    "socket",
    "pty",
    "runpy",
    "importlib",
    "ctypes",
    "webbrowser",
    "pickle",
];
/// The same of single names.
const HOSTILE_NAMES: [&str; 9] = ["eval", "exec", "execfile", "compile", "open", "__import__", "input", "load", "hub"];
/// Modules that have harmless names, too: Python's own, by both its names, and PyTorch.
const MIXED: [&str; 3] = ["builtins", "__builtin__", "torch"];
/// Where a module of PyTorch keeps its tensors and the modules in it; a state dict's names leave these out.
const WITHIN_MODULES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// A value: a whole number by itself, what can be followed by its place among the things, all else as nothing.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Other,
    Number(i64),
    Thing(usize),
}

enum Thing {
    Text(Rc<str>),
    /// A list, a tuple, a dictionary or an object of any class.
    Holder(Holder),
    Storage(Storage),
    Tensor(Rc<Place>),
    /// A function or a class: its module and its name.
    Name(Rc<str>, Rc<str>),
}

#[derive(Default)]
struct Holder {
    items: Vec<Value>,
    entries: Vec<[Value; 2]>,
    state: Option<Value>,
}

/// What a pickle has built so far, and in the end.
#[derive(Default)]
pub(super) struct Program {
    things: Vec<Thing>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    /// What kind each storage is that was named, by its key.
    pub(super) kinds: HashMap<Rc<str>, Kind>,
}

/// Tensors by name in the order of the file, and the names at the top under which there are none.
#[derive(Default)]
pub(super) struct Named {
    pub(super) tensors: Vec<(String, Rc<Place>)>,
    pub(super) others: Vec<String>,
}

pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    bytes.split_off(..count).ok_or_else(|| SHORT.to_owned())
}

/// A little-endian number of at most 8 bytes.
pub(super) fn number(bytes: &mut &[u8], count: usize) -> Result<usize, String> {
    Ok(take(bytes, count)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// A name up to the end of its line.
fn line(bytes: &mut &[u8]) -> Result<Rc<str>, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(SHORT)?;
    let line = &take(bytes, end + 1)?[..end];
    Ok(std::str::from_utf8(&line[..end.min(LONGEST)]).map_err(|_| ODD)?.into())
}

impl Program {
    /// The value of the pickle that `bytes` begin with, which then begin behind it.
    pub(super) fn run(&mut self, bytes: &mut &[u8]) -> Result<Value, String> {
        for _ in 0..MOST_OPERATIONS {
            let value = match take(bytes, 1)?[0] {
                b'.' => return self.pop(),
                0x80 => match number(bytes, 1)? {
                    2..=5 => continue,
                    other => return Err(format!("its pickle is of protocol {other}; save it again with PyTorch")),
                },
                0x95 => {
                    take(bytes, 8)?; // how long a frame is; what it holds follows all the same
                    continue;
                }
                b'N' | 0x88 | 0x89 => Value::Other,
                b'G' => take(bytes, 8).map(|_| Value::Other)?,
                b'K' => Value::Number(number(bytes, 1)? as i64),
                b'M' => Value::Number(number(bytes, 2)? as i64),
                b'J' => Value::Number(i64::from(number(bytes, 4)? as i32)),
                0x8a => match number(bytes, 1)? {
                    count @ 1..=8 => {
                        let above = 64 - 8 * count; // the sign is the highest bit's
                        Value::Number((number(bytes, count)? as i64) << above >> above)
                    }
                    count => take(bytes, count).map(|_| Value::Other)?,
                },
                0x8b => self.skip(bytes, 4)?,
                b'X' | b'T' | b'B' => self.text(bytes, 4)?,
                b'U' | b'C' | 0x8c => self.text(bytes, 1)?,
                0x8d | 0x8e => self.text(bytes, 8)?,
                0x96 => self.skip(bytes, 8)?,
                b'c' => self.name(line(bytes)?, line(bytes)?)?,
                0x93 => match [self.pop()?, self.pop()?].map(|value| self.text_of(value)) {
                    [Some(name), Some(module)] => self.name(module, name)?,
                    _ => return Err(ODD.to_owned()),
                },
                b'(' => {
                    self.marks.push(self.stack.len());
                    continue;
                }
                b'0' => {
                    self.pop()?;
                    continue;
                }
                b'1' => {
                    self.marked()?;
                    continue;
                }
                b'2' => *self.stack.last().ok_or(ODD)?,
                b')' | b']' | b'}' | 0x8f => self.held(Vec::new()),
                count @ 0x85..=0x87 => {
                    let items = self.last(usize::from(count - 0x84))?;
                    self.held(items)
                }
                b't' | 0x91 => {
                    let items = self.marked()?;
                    self.held(items)
                }
                add @ (b'a' | b'e' | 0x90) => {
                    let items = if add == b'a' { self.last(1)? } else { self.marked()? };
                    let list = self.pop()?;
                    if let Some(holder) = self.holder(list) {
                        holder.items.extend(items);
                    }
                    list
                }
                put @ (b's' | b'u') => {
                    let items = if put == b's' { self.last(2)? } else { self.marked()? };
                    let dict = self.pop()?;
                    if let Some(holder) = self.holder(dict) {
                        holder.entries.extend(items.chunks_exact(2).map(|entry| [entry[0], entry[1]]));
                    }
                    dict
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.storage(id)?
                }
                call @ (b'R' | 0x81 | 0x92) => {
                    if call == 0x92 {
                        self.pop()?; // arguments by name
                    }
                    let [arguments, function] = [self.pop()?, self.pop()?];
                    self.called(function, arguments)?
                }
                b'b' => {
                    let [state, object] = [self.pop()?, self.pop()?];
                    if let Some(holder) = self.holder(object) {
                        holder.state = Some(state);
                    }
                    object
                }
                put @ (b'q' | b'r' | 0x94) => {
                    let at = match put {
                        b'q' => number(bytes, 1)?,
                        b'r' => number(bytes, 4)?,
                        _ => self.memo.len(),
                    };
                    let value = *self.stack.last().ok_or(ODD)?;
                    self.memo.insert(at, value);
                    continue;
                }
                get @ (b'h' | b'j') => *self.memo.get(&number(bytes, if get == b'h' { 1 } else { 4 })?).ok_or(ODD)?,
                other => {
                    return Err(format!("its pickle has the operation {other:#04x}, which PyTorch does not write"));
                }
            };
            self.stack.push(value);
        }
        Err(format!("its pickle has more than {MOST_OPERATIONS} operations, too many for a network"))
    }

    /// Lets go of what only the next pickle of the same file does not need.
    pub(super) fn forget(&mut self) {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| ODD.to_owned())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let from = self.stack.len().checked_sub(count).ok_or(ODD)?;
        Ok(self.stack.split_off(from))
    }

    /// What lies above the last mark.
    fn marked(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or(ODD)?;
        self.last(self.stack.len().checked_sub(mark).ok_or(ODD)?)
    }

    fn add(&mut self, thing: Thing) -> Value {
        self.things.push(thing);
        Value::Thing(self.things.len() - 1)
    }

    fn held(&mut self, items: Vec<Value>) -> Value {
        self.add(Thing::Holder(Holder { items, ..Holder::default() }))
    }

    fn thing(&self, value: Value) -> Option<&Thing> {
        match value {
            Value::Thing(at) => self.things.get(at),
            Value::Other | Value::Number(_) => None,
        }
    }

    fn holder(&mut self, value: Value) -> Option<&mut Holder> {
        match value {
            Value::Thing(at) => match self.things.get_mut(at)? {
                Thing::Holder(holder) => Some(holder),
                _ => None,
            },
            Value::Other | Value::Number(_) => None,
        }
    }

    pub(super) fn text_of(&self, value: Value) -> Option<Rc<str>> {
        match self.thing(value)? {
            Thing::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The items of a list or a tuple.
    pub(super) fn items(&self, value: Value) -> Option<&[Value]> {
        match self.thing(value)? {
            Thing::Holder(holder) => Some(&holder.items),
            _ => None,
        }
    }

    /// What its length, in `size` bytes, says to leave out.
    fn skip(&mut self, bytes: &mut &[u8], size: usize) -> Result<Value, String> {
        let count = number(bytes, size)?;
        take(bytes, count).map(|_| Value::Other)
    }

    /// Text or bytes after the length in `size` bytes; nothing where it is no name.
    fn text(&mut self, bytes: &mut &[u8], size: usize) -> Result<Value, String> {
        let count = number(bytes, size)?;
        let text = take(bytes, count)?;
        match std::str::from_utf8(text) {
            Ok(text) if count <= LONGEST => Ok(self.add(Thing::Text(text.into()))),
            _ => Ok(Value::Other),
        }
    }

    fn name(&mut self, module: Rc<str>, name: Rc<str>) -> Result<Value, String> {
        let whole = |listed: &[&str], word: &str| listed.contains(&word);
        let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        let is_hostile = whole(&HOSTILE, &first(&module))
            || whole(&MIXED, &module) && whole(&HOSTILE_NAMES, &first(&name))
            || *module == *"torch.hub";
        if is_hostile {
            return Err(format!(
                "its pickle asks for {module}.{name}, which could run a program; no network needs that. Do not load \
                 this file anywhere"
            ));
        }
        Ok(self.add(Thing::Name(module, name)))
    }

    /// A storage by its persistent id: "storage", type, key, device, count, and in old files which part of it.
    fn storage(&mut self, id: Value) -> Result<Value, String> {
        let Some(&[_, class, key, _, _, ref rest @ ..]) = self.items(id) else { return Err(ODD.to_owned()) };
        let part = match rest {
            [view, ..] => self.items(*view).and_then(|view| view.get(1).copied()), // of its root: key, offset, size
            [] => None,
        };
        let offset = match part {
            Some(Value::Number(offset)) => usize::try_from(offset).map_err(|_| ODD)?,
            _ => 0,
        };
        let (Some(Thing::Name(_, class)), Some(key)) = (self.thing(class), self.text_of(key)) else {
            return Err(ODD.to_owned());
        };
        let Some(kind) = Kind::of(class) else {
            return Err(format!("its storage {key} is of the type {class}, which is not known"));
        };
        self.kinds.insert(key.clone(), kind);
        Ok(self.add(Thing::Storage(Storage { key, kind, offset })))
    }

    /// What a function or a class makes of arguments: a tensor, a dictionary, or something that is not looked into.
    fn called(&mut self, function: Value, arguments: Value) -> Result<Value, String> {
        let Some(Thing::Name(module, name)) = self.thing(function) else { return Ok(self.held(Vec::new())) };
        let (module, name) = (module.clone(), name.clone());
        let given = self.items(arguments).ok_or(ODD)?.to_vec();
        match (&*module, &*name) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => self.tensor(&given),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
            | ("torch.nn.parameter", "Parameter" | "Buffer") => Ok(given.first().copied().unwrap_or(Value::Other)),
            ("torch._tensor", "_rebuild_from_type_v2") => match given[..] {
                [inner, _, arguments, ..] if !matches!(self.thing(inner), Some(Thing::Name(m, _)) if **m == *"torch._tensor") => {
                    self.called(inner, arguments)
                }
                _ => Err(ODD.to_owned()),
            },
            ("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict") => {
                // Python 2 gives the entries at once, as a list of pairs.
                let pairs = given.first().and_then(|list| self.items(*list)).unwrap_or_default();
                let entries = pairs.iter().filter_map(|pair| self.items(*pair)?.try_into().ok()).collect();
                Ok(self.add(Thing::Holder(Holder { entries, ..Holder::default() })))
            }
            _ => Ok(self.held(Vec::new())),
        }
    }

    /// A tensor of storage, offset, sides and strides.
    fn tensor(&mut self, given: &[Value]) -> Result<Value, String> {
        let whole = |value: &Value| match value {
            Value::Number(number) => usize::try_from(*number).map_err(|_| ODD.to_owned()),
            _ => Err(ODD.to_owned()),
        };
        let [storage, offset, sides, strides, ..] = given else { return Err(ODD.to_owned()) };
        let (Some(Thing::Storage(storage)), Some(sides), Some(strides)) =
            (self.thing(*storage), self.items(*sides), self.items(*strides))
        else {
            return Err(ODD.to_owned());
        };
        if sides.len() != strides.len() || sides.len() > MOST_SIDES {
            return Err(ODD.to_owned());
        }
        let place = Place {
            storage: storage.clone(),
            offset: whole(offset)?,
            shape: sides.iter().map(whole).collect::<Result<_, _>>()?,
            strides: strides.iter().map(whole).collect::<Result<_, _>>()?,
        };
        Ok(self.add(Thing::Tensor(Rc::new(place))))
    }

    /// The tensors in a value, named by the keys on the way to them; or why there are none.
    pub(super) fn named(&self, value: Value) -> Result<Named, String> {
        let mut walk = Walk { program: self, found: Named::default(), on: Vec::new(), left: MOST_OPERATIONS / 4 };
        walk.down(value, "")?;
        match walk.found.tensors.is_empty() {
            true => Err("it holds no tensors".to_owned()),
            false => Ok(walk.found),
        }
    }
}

struct Walk<'a> {
    program: &'a Program,
    found: Named,
    /// The holders that the walk is in: one may hold itself.
    on: Vec<usize>,
    /// How many more things may be met: a few may hold one another so often that this never ends.
    left: usize,
}

impl Walk<'_> {
    fn down(&mut self, value: Value, name: &str) -> Result<(), String> {
        let Value::Thing(at) = value else { return Ok(()) };
        self.left = self.left.checked_sub(1).ok_or(ODD)?;
        let program = self.program;
        match &program.things[at] {
            Thing::Tensor(place) => self.found.tensors.push((name.to_owned(), place.clone())),
            Thing::Holder(holder) if !self.on.contains(&at) => {
                self.on.push(at);
                for (i, item) in holder.items.iter().enumerate() {
                    if matches!(item, Value::Thing(_)) {
                        self.listed(*item, name, &i.to_string())?;
                    }
                }
                self.entries(&holder.entries, name)?;
                if let Some(Thing::Holder(state)) = holder.state.and_then(|state| program.thing(state)) {
                    let is_transparent = |key: &str| WITHIN_MODULES.contains(&key);
                    for [key, value] in &state.entries {
                        match program.text_of(*key) {
                            Some(key) if is_transparent(&key) => self.down(*value, name)?,
                            Some(key) => self.below(*value, name, &key)?,
                            None => {}
                        }
                    }
                }
                self.on.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn entries(&mut self, entries: &[[Value; 2]], name: &str) -> Result<(), String> {
        for [key, value] in entries {
            match (self.program.text_of(*key), key) {
                (Some(key), _) => self.listed(*value, name, &key)?,
                (None, Value::Number(key)) => self.listed(*value, name, &key.to_string())?,
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// What lies under a key of a dictionary or a list. At the top it is named where there is no tensor in it.
    fn listed(&mut self, value: Value, name: &str, key: &str) -> Result<(), String> {
        let before = self.found.tensors.len();
        self.below(value, name, key)?;
        if self.on.len() == 1 && self.found.tensors.len() == before {
            self.found.others.push(key.to_owned());
        }
        Ok(())
    }

    fn below(&mut self, value: Value, name: &str, key: &str) -> Result<(), String> {
        let below = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        if below.len() > LONGEST {
            return Err(ODD.to_owned());
        }
        self.down(value, &below)
    }
}
