//! Avatars composed from a style of DiceBear: a canvas of components, each of which has variants, coloured by name.
//!
//! A style is a JSON file by schema 1.4 of DiceBear (<https://www.dicebear.com>). Understood is what the styles in use
//! hold: elements, components with a probability, colours that must differ from others. Anything else is an error.

use std::collections::BTreeMap;
use std::fmt::Write;

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::media::Image;
use crate::random::Draws;

const DEEPEST: usize = 8; // components within components
const FINE: u32 = 4; // samples along each side of a pixel

/// What the parts of one avatar look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// The variant of each component; a component without one is not drawn.
    pub variants: BTreeMap<String, String>,
    /// The value of each colour, `#rrggbb`.
    pub colors: BTreeMap<String, String>,
}

/// An avatar as a drawing.
pub struct Composed {
    /// An SVG document, as large as the style's canvas.
    pub svg: String,
    /// The choices that it shows: a hat's colour only where there is a hat.
    pub shown: Choices,
}

/// A style: every picture it can compose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    #[serde(rename = "$comment")]
    _comment: Option<String>,
    meta: Meta,
    canvas: Canvas,
    #[serde(default)]
    attributes: BTreeMap<String, Attribute>,
    components: BTreeMap<String, Component>,
    #[serde(default)]
    colors: BTreeMap<String, Palette>,
}

#[derive(Deserialize)]
struct Meta {
    license: License,
}

#[derive(Deserialize)]
struct License {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Canvas {
    width: f64,
    height: f64,
    elements: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[serde(rename = "width")]
    _width: f64,
    #[serde(rename = "height")]
    _height: f64,
    #[serde(default = "always")]
    probability: u32, // percent
    variants: BTreeMap<String, Variant>,
}

fn always() -> u32 {
    100
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    elements: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Palette {
    #[serde(default)]
    not_equal_to: Vec<String>,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "camelCase")]
enum Element {
    /// An element of SVG.
    Element {
        name: String,
        #[serde(default)]
        attributes: BTreeMap<String, Attribute>,
        #[serde(default)]
        children: Vec<Element>,
    },
    /// The place of a component.
    Component {
        name: String,
        #[serde(default)]
        attributes: BTreeMap<String, Attribute>,
    },
}

/// The value of an SVG attribute.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
enum Attribute {
    Text(String),
    Color(String),
}

impl TryFrom<Value> for Attribute {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match (&value, &value["type"], &value["name"]) {
            (Value::String(text), ..) => Ok(Attribute::Text(text.clone())),
            (_, Value::String(kind), Value::String(name)) if kind == "color" => Ok(Attribute::Color(name.clone())),
            _ => Err(format!("the attribute {value} is of a kind that is not known here")),
        }
    }
}

impl Style {
    /// The style in a JSON file. An error when it holds something that is not known here, which the error names.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|error| Error::failed(format!("this style cannot be read: {error}")))
    }

    /// Who drew it and under which licence it may be used.
    pub fn licence(&self) -> &str {
        &self.meta.license.text
    }

    /// The components and the colours that leave a choice, in order.
    pub fn attributes(&self) -> (Vec<&str>, Vec<&str>) {
        let components =
            self.components.iter().filter(|(_, component)| component.variants.len() > 1 || component.probability < 100);
        let colors = self.colors.iter().filter(|(_, palette)| palette.values.len() > 1);
        (components.map(|(name, _)| name.as_str()).collect(), colors.map(|(name, _)| name.as_str()).collect())
    }

    /// Random choices for every component and colour, before a background of one colour (`#rrggbb`). A component is there
    /// by the style's probability; of its variants, and of the colours, those that may be are alike in probability.
    /// `allowed` says by the names of component and variant which those are.
    pub fn draw(&self, draws: &Draws, background: &str, allowed: impl Fn(&str, &str) -> bool) -> Result<Choices> {
        let mut choices = Choices::default();
        for (name, component) in &self.components {
            let variants = component.variants.keys().filter(|variant| allowed(name, variant)).collect::<Vec<_>>();
            let there = draws.indices(&format!("{name} is there"), 100, 1)[0] < component.probability;
            if there && !variants.is_empty() {
                let at = draws.indices(name, variants.len() as u32, 1)[0];
                choices.variants.insert(name.clone(), variants[at as usize].clone());
            }
        }
        let mut known = BTreeMap::from([("background".to_owned(), background.to_owned())]);
        while let Some((name, palette)) = self.colors.iter().find(|(name, palette)| {
            !known.contains_key(*name) && palette.not_equal_to.iter().all(|other| known.contains_key(other))
        }) {
            let taken = palette.not_equal_to.iter().map(|other| &known[other]).collect::<Vec<_>>();
            let values = palette.values.iter().filter(|value| !taken.contains(value)).collect::<Vec<_>>();
            if values.is_empty() {
                return Err(Error::failed(format!("the colour `{name}` has no value that differs from the others")));
            }
            let at = draws.indices(&format!("colour {name}"), values.len() as u32, 1)[0];
            known.insert(name.clone(), values[at as usize].clone());
        }
        if let Some(name) = self.colors.keys().find(|name| !known.contains_key(*name)) {
            return Err(Error::failed(format!(
                "the colour `{name}` must differ from one that is not there or from itself"
            )));
        }
        if !self.colors.contains_key("background") {
            known.remove("background");
        }
        choices.colors = known;
        Ok(choices)
    }

    /// The avatar with these choices. An error when one names nothing of this style, or a colour that shows is missing.
    pub fn compose(&self, choices: &Choices) -> Result<Composed> {
        for (name, variant) in &choices.variants {
            if self.components.get(name).is_none_or(|component| !component.variants.contains_key(variant)) {
                return Err(Error::failed(format!("the style has no component `{name}` with a variant `{variant}`")));
            }
        }
        let (width, height) = (self.canvas.width, self.canvas.height);
        let mut writer = Writer { style: self, choices, svg: String::new(), shown: Choices::default() };
        writer.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\""
        ));
        writer.attributes(&self.attributes)?;
        writer.svg.push('>');
        writer.elements(&self.canvas.elements, 0)?;
        writer.svg.push_str("</svg>");
        Ok(Composed { svg: writer.svg, shown: writer.shown })
    }
}

/// An SVG document in the making.
struct Writer<'a> {
    style: &'a Style,
    choices: &'a Choices,
    svg: String,
    shown: Choices,
}

impl Writer<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.svg.write_fmt(text); // a string takes everything
    }

    fn elements(&mut self, elements: &[Element], depth: usize) -> Result<()> {
        elements.iter().try_for_each(|element| self.element(element, depth))
    }

    fn element(&mut self, element: &Element, depth: usize) -> Result<()> {
        match element {
            Element::Element { name, attributes, children } => {
                self.put(format_args!("<{name}"));
                self.attributes(attributes)?;
                self.svg.push('>');
                self.elements(children, depth)?;
                self.put(format_args!("</{name}>"));
            }
            Element::Component { name, attributes } => {
                let Some(component) = self.style.components.get(name) else {
                    return Err(Error::failed(format!("the style places a component `{name}` that it does not have")));
                };
                if depth == DEEPEST {
                    return Err(Error::failed(format!("the component `{name}` lies within too many others")));
                }
                let Some(chosen) = self.choices.variants.get(name) else { return Ok(()) };
                self.shown.variants.insert(name.clone(), chosen.clone());
                self.svg.push_str("<g");
                self.attributes(attributes)?;
                self.svg.push('>');
                self.elements(&component.variants[chosen].elements, depth + 1)?;
                self.svg.push_str("</g>");
            }
        }
        Ok(())
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, Attribute>) -> Result<()> {
        for (key, value) in attributes {
            let value = match value {
                Attribute::Text(text) => text,
                Attribute::Color(name) => {
                    let Some(color) = self.choices.colors.get(name) else {
                        return Err(Error::failed(format!("there is no choice of the colour `{name}`")));
                    };
                    self.shown.colors.insert(name.clone(), color.clone());
                    color
                }
            };
            let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            self.put(format_args!(" {key}=\"{value}\""));
        }
        Ok(())
    }
}

/// The square of a drawing whose upper left corner is (`left`, `top`), in the drawing's units, as a picture of
/// `pixels` x `pixels`, RGB, on a background of one colour. Every pixel is the mean of 4 x 4, because neighbouring shapes
/// whose common edge crosses a pixel would let the background through. An error when the document is no SVG.
pub fn render(svg: &str, [left, top, side]: [f32; 3], pixels: u32, background: [u8; 3]) -> Result<Image> {
    let wrong = |why: String| Error::failed(format!("an avatar cannot be drawn: {why}"));
    let tree = usvg::Tree::from_str(svg, &usvg::Options::default()).map_err(|error| wrong(error.to_string()))?;
    let fine = pixels * FINE;
    let mut canvas = Pixmap::new(fine, fine).ok_or_else(|| wrong(format!("it would have {pixels} pixels a side")))?;
    let [red, green, blue] = background;
    canvas.fill(Color::from_rgba8(red, green, blue, 255));
    let scale = fine as f32 / side;
    let place = Transform::from_row(scale, 0.0, 0.0, scale, -left * scale, -top * scale);
    resvg::render(&tree, place, &mut canvas.as_mut());
    let (pixels, fine, step) = (pixels as usize, fine as usize, FINE as usize);
    let mut levels = Vec::with_capacity(pixels * pixels * 3);
    for at in 0..pixels * pixels * 3 {
        let (row, column, channel) = (at / 3 / pixels, at / 3 % pixels, at % 3);
        let mut sum = 0;
        for y in row * step..(row + 1) * step {
            for x in column * step..(column + 1) * step {
                sum += u32::from(canvas.data()[(y * fine + x) * 4 + channel]); // opaque, so not scaled by alpha
            }
        }
        levels.push(((sum + FINE * FINE / 2) / (FINE * FINE)) as u8);
    }
    Ok(Image::new(pixels, pixels, 3, levels))
}
