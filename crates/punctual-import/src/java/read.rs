//! The grammar of a stream.

use std::rc::Rc;

use super::{Extra, JavaError, MAX_BYTES, MAX_DEPTH, MAX_VALUES, Object, Part, Value};

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESC: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const CLASS: u8 = 0x76;
const BLOCK_DATA: u8 = 0x77;
const END_BLOCK_DATA: u8 = 0x78;
const RESET: u8 = 0x79;
const BLOCK_DATA_LONG: u8 = 0x7a;
const LONG_STRING: u8 = 0x7c;
const PROXY_CLASS_DESC: u8 = 0x7d;
const ENUM: u8 = 0x7e;
const FIRST_HANDLE: u32 = 0x7e_0000;

const WRITE_METHOD: u8 = 1;
const SERIALIZABLE: u8 = 2;
const EXTERNALIZABLE: u8 = 4;
const BLOCK_FORMAT: u8 = 8;

/// A class as a stream describes it.
#[derive(Debug)]
struct ClassDesc {
    name: Rc<str>,
    flags: u8,
    fields: Vec<(u8, Rc<str>)>,
    parent: Option<Rc<ClassDesc>>,
    /// How many classes its line has.
    height: usize,
}

/// What a handle stands for.
#[derive(Clone, Debug)]
enum Handle {
    /// An object that is still being read.
    Open,
    Value(Value, usize),
    Desc(Rc<ClassDesc>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values: usize,
    handles: Vec<Handle>,
    /// The height of the highest value that was read within the present one. References build high values without any depth
    /// of reading, and whoever walks through a value (to drop it, at the latest) goes as deep.
    highest: usize,
}

type Result<T> = std::result::Result<T, JavaError>;

pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0, depth: 0, values: 0, handles: Vec::new(), highest: 0 };
    if bytes.len() > MAX_BYTES {
        return Err(
            reader.error(format!("{} bytes are more than the {MAX_BYTES} that are read", bytes.len()))
        );
    }
    if reader.u16()? != 0xaced || reader.u16()? != 5 {
        return Err(JavaError {
            at: 0,
            problem: "does not begin as a stream of version 5 does (AC ED 00 05)".to_owned(),
        });
    }
    reader.content()
}

impl<'a> Reader<'a> {
    fn error(&self, problem: impl Into<String>) -> JavaError {
        JavaError { at: self.at, problem: problem.into() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.error("ends too early")) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn length(&mut self) -> Result<usize> {
        let length = self.i32()?;
        usize::try_from(length).map_err(|_| self.error(format!("has the length {length}")))
    }

    fn count_value(&mut self) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error(format!("holds more than {MAX_VALUES} values")));
        }
        Ok(())
    }

    fn utf(&mut self) -> Result<Rc<str>> {
        let length = self.u16()?;
        let bytes = self.take(length.into())?;
        Ok(modified_utf8(bytes))
    }

    /// Keeps a place for what is being read; references to it from within find it open.
    fn open(&mut self) -> usize {
        self.handles.push(Handle::Open);
        self.handles.len() - 1
    }

    fn close(&mut self, handle: usize, value: &Value) {
        self.handles[handle] = Handle::Value(value.clone(), self.highest + 1);
    }

    fn reference(&mut self) -> Result<Handle> {
        let handle = u32::from_be_bytes(self.array()?);
        let place = handle.checked_sub(FIRST_HANDLE).and_then(|place| usize::try_from(place).ok());
        let found = place.and_then(|place| self.handles.get(place)).cloned();
        found.ok_or_else(|| self.error(format!("refers to handle {handle:#x}, which stands for nothing")))
    }

    fn content(&mut self) -> Result<Value> {
        let tag = self.u8()?;
        self.tagged(tag)
    }

    fn tagged(&mut self, tag: u8) -> Result<Value> {
        self.count_value()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("holds objects within objects, more than {MAX_DEPTH} deep")));
        }
        let beside = std::mem::take(&mut self.highest);
        let value = match tag {
            NULL => Value::Null,
            REFERENCE => match self.reference()? {
                Handle::Value(value, height) => {
                    self.highest = height - 1;
                    value
                }
                Handle::Open => Value::Cycle,
                Handle::Desc(desc) => Value::Class(Rc::clone(&desc.name)),
            },
            OBJECT => self.object()?,
            STRING | LONG_STRING => self.string(tag)?,
            ARRAY => self.array_value()?,
            ENUM => self.enum_value()?,
            CLASS => {
                let desc = self.class_desc()?;
                let value = Value::Class(desc.map_or_else(|| Rc::from("null"), |desc| Rc::clone(&desc.name)));
                let handle = self.open();
                self.close(handle, &value);
                value
            }
            CLASS_DESC | PROXY_CLASS_DESC => {
                self.at -= 1;
                let desc = self.class_desc()?;
                Value::Class(desc.map_or_else(|| Rc::from("null"), |desc| Rc::clone(&desc.name)))
            }
            RESET => return Err(self.error("resets its references, which is not read")),
            other => return Err(self.error(format!("has the unknown tag {other:#x}"))),
        };
        self.depth -= 1;
        self.highest += 1;
        if self.highest > MAX_DEPTH {
            return Err(self.error(format!("holds objects within objects, more than {MAX_DEPTH} deep")));
        }
        self.highest = self.highest.max(beside);
        Ok(value)
    }

    fn string(&mut self, tag: u8) -> Result<Value> {
        let handle = self.open();
        let length = if tag == STRING {
            usize::from(self.u16()?)
        } else {
            let length = u64::from_be_bytes(self.array()?);
            usize::try_from(length).map_err(|_| self.error("has a string that is too long"))?
        };
        let value = Value::Text(modified_utf8(self.take(length)?));
        self.close(handle, &value);
        Ok(value)
    }

    fn enum_value(&mut self) -> Result<Value> {
        let Some(desc) = self.class_desc()? else { return Err(self.error("has a constant of no enum")) };
        let handle = self.open();
        let Value::Text(name) = self.content()? else {
            return Err(self.error("has a constant of an enum without a name"));
        };
        let value = Value::Enum(Rc::clone(&desc.name), name);
        self.close(handle, &value);
        Ok(value)
    }

    fn array_value(&mut self) -> Result<Value> {
        let Some(desc) = self.class_desc()? else { return Err(self.error("has an array of no class")) };
        let kind = desc.name.as_bytes().get(1).copied().unwrap_or(b'L');
        let handle = self.open();
        let length = self.length()?;
        if length > self.bytes.len() - self.at {
            return Err(self.error(format!("has an array of {length} elements, more than there are bytes")));
        }
        let mut elements = Vec::new();
        for _ in 0..length {
            self.count_value()?;
            elements.push(self.field_value(kind)?);
        }
        let value = Value::Array(elements.into());
        self.close(handle, &value);
        Ok(value)
    }

    fn field_value(&mut self, kind: u8) -> Result<Value> {
        Ok(match kind {
            b'B' => Value::Int(i8::from_be_bytes(self.array()?).into()),
            b'S' => Value::Int(i16::from_be_bytes(self.array()?).into()),
            b'I' => Value::Int(self.i32()?.into()),
            b'J' => Value::Int(i64::from_be_bytes(self.array()?)),
            b'C' => Value::Char(self.u16()?),
            b'Z' => Value::Bool(self.u8()? != 0),
            b'F' => Value::Float(f32::from_be_bytes(self.array()?).into()),
            b'D' => Value::Float(f64::from_be_bytes(self.array()?)),
            b'L' | b'[' => self.content()?,
            other => return Err(self.error(format!("has a field of the unknown type {other:#x}"))),
        })
    }

    fn class_desc(&mut self) -> Result<Option<Rc<ClassDesc>>> {
        match self.u8()? {
            NULL => Ok(None),
            REFERENCE => match self.reference()? {
                Handle::Desc(desc) => Ok(Some(desc)),
                _ => Err(self.error("refers to a class, but the handle stands for something else")),
            },
            CLASS_DESC => self.new_class_desc().map(Some),
            PROXY_CLASS_DESC => Err(self.error("holds a dynamic proxy, which is not read")),
            other => Err(self.error(format!("has the tag {other:#x} where a class is described"))),
        }
    }

    fn new_class_desc(&mut self) -> Result<Rc<ClassDesc>> {
        self.count_value()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("has classes below classes, more than {MAX_DEPTH} deep")));
        }
        let name = self.utf()?;
        self.take(8)?;
        let handle = self.open();
        let flags = self.u8()?;
        let count = self.u16()?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let kind = self.u8()?;
            let field = self.utf()?;
            if matches!(kind, b'L' | b'[') {
                // The field's type.
                self.content()?;
            }
            fields.push((kind, field));
        }
        self.annotation()?;
        let parent = self.class_desc()?;
        let height = 1 + parent.as_ref().map_or(0, |parent| parent.height);
        if height > MAX_DEPTH {
            return Err(self.error(format!("has a class below {MAX_DEPTH} others")));
        }
        let desc = Rc::new(ClassDesc { name, flags, fields, parent, height });
        self.handles[handle] = Handle::Desc(Rc::clone(&desc));
        self.depth -= 1;
        Ok(desc)
    }

    fn object(&mut self) -> Result<Value> {
        let Some(desc) = self.class_desc()? else { return Err(self.error("has an object of no class")) };
        let handle = self.open();
        let mut line = vec![Rc::clone(&desc)];
        while let Some(parent) = line.last().and_then(|desc| desc.parent.clone()) {
            line.push(parent);
        }
        let mut parts = Vec::new();
        for class in line.iter().rev() {
            parts.push(self.part(class)?);
        }
        let value = Value::Object(Rc::new(Object { class: Rc::clone(&desc.name), parts }));
        self.close(handle, &value);
        Ok(value)
    }

    fn part(&mut self, class: &ClassDesc) -> Result<Part> {
        let mut part = Part { class: Rc::clone(&class.name), fields: Vec::new(), extra: Vec::new() };
        if class.flags & SERIALIZABLE != 0 {
            for (kind, name) in &class.fields {
                self.count_value()?;
                part.fields.push((Rc::clone(name), self.field_value(*kind)?));
            }
            if class.flags & WRITE_METHOD != 0 {
                part.extra = self.annotation()?;
            }
        } else if class.flags & EXTERNALIZABLE != 0 {
            if class.flags & BLOCK_FORMAT == 0 {
                return Err(
                    self.error(format!("holds a {}, whose form only its own class knows", class.name))
                );
            }
            part.extra = self.annotation()?;
        }
        Ok(part)
    }

    /// What stands before the end of block data.
    fn annotation(&mut self) -> Result<Vec<Extra>> {
        let mut extra = Vec::new();
        loop {
            self.count_value()?;
            match self.u8()? {
                END_BLOCK_DATA => return Ok(extra),
                BLOCK_DATA => {
                    let length = self.u8()?;
                    extra.push(Extra::Bytes(self.take(length.into())?.into()));
                }
                BLOCK_DATA_LONG => {
                    let length = self.length()?;
                    extra.push(Extra::Bytes(self.take(length)?.into()));
                }
                tag => extra.push(Extra::Value(self.tagged(tag)?)),
            }
        }
    }
}

/// Text as Java writes it: units of UTF-16, each in one to three bytes.
fn modified_utf8(bytes: &[u8]) -> Rc<str> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let follow = |place: usize| {
            after.get(place).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| u16::from(byte & 0x3f))
        };
        let (unit, used) = match (first, follow(0), follow(1)) {
            (0..0x80, ..) => (u16::from(*first), 0),
            (0xc0..0xe0, Some(second), _) => (u16::from(first & 0x1f) << 6 | second, 1),
            (0xe0..0xf0, Some(second), Some(third)) => {
                (u16::from(first & 0xf) << 12 | second << 6 | third, 2)
            }
            _ => (0xfffd, 0),
        };
        units.push(unit);
        rest = &after[used..];
    }
    String::from_utf16_lossy(&units).into()
}
