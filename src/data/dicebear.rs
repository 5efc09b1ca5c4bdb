//! Avatars composed from a style of DiceBear: a canvas of components, each of which has variants, coloured by name.
//!
//! A style is a JSON file by schema 1.4 of DiceBear (<https://www.dicebear.com>). Understood is what the styles in use
//! hold: elements, components with a probability, colours that must differ from others. Anything else is an error.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::random::Draws;

const DEEPEST: usize = 8; // components within components

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

    /// The variants of a component; none where there is no such component.
    pub fn variants(&self, component: &str) -> Vec<&str> {
        self.components
            .get(component)
            .map_or(Vec::new(), |component| component.variants.keys().map(String::as_str).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn style() -> Value {
        json!({
            "$schema": "https://example.org/definition.json",
            "$comment": "made up",
            "meta": { "license": { "text": "Anybody's" }, "creator": { "name": "Nobody" } },
            "attributes": { "fill": "none" },
            "canvas": { "width": 8, "height": 8.5, "elements": [
                { "type": "element", "name": "g", "attributes": { "fill": { "type": "color", "name": "skin" } }, "children": [
                    { "type": "element", "name": "path", "attributes": { "d": "M0 0h4v8z" } },
                    { "type": "component", "name": "eyes", "attributes": { "transform": "translate(1 2)" } },
                ] },
                { "type": "component", "name": "hat" },
            ] },
            "components": {
                "eyes": { "width": 1, "height": 1, "variants": {
                    "open": { "elements": [{ "type": "component", "name": "lashes" }] },
                    "shut": { "elements": [] },
                } },
                "lashes": { "width": 1, "height": 1, "variants": { "only": { "elements": [
                    { "type": "element", "name": "circle", "attributes": { "id": "a&b", "r": "1" } },
                ] } } },
                "hat": { "width": 1, "height": 1, "probability": 25, "variants": { "top": { "elements": [
                    { "type": "element", "name": "rect", "attributes": { "stroke": { "type": "color", "name": "hat" } } },
                ] } } },
            },
            "colors": {
                "hat": { "notEqualTo": ["skin", "background"], "values": ["#111111", "#222222", "#333333"] },
                "skin": { "values": ["#111111", "#222222"] },
            },
        })
    }

    fn parsed(style: &Value) -> Style {
        Style::parse(style.to_string().as_bytes()).unwrap()
    }

    fn choices(variants: &[(&str, &str)], colors: &[(&str, &str)]) -> Choices {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        Choices { variants: map(variants), colors: map(colors) }
    }

    #[test]
    fn a_composition_holds_the_chosen_parts_in_their_places_and_tells_what_shows() {
        let all = choices(&[("eyes", "open"), ("lashes", "only")], &[("skin", "#222222"), ("hat", "#333333")]);
        let composed = parsed(&style()).compose(&all).unwrap();
        let expected = r##"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8.5" viewBox="0 0 8 8.5" fill="none"><g fill="#222222"><path d="M0 0h4v8z"></path><g transform="translate(1 2)"><g><circle id="a&amp;b" r="1"></circle></g></g></g></svg>"##;
        assert_eq!(composed.svg, expected);
        assert_eq!(composed.shown, choices(&[("eyes", "open"), ("lashes", "only")], &[("skin", "#222222")]));
        // Shut eyes show no lashes; a hat shows its colour.
        let all = choices(
            &[("eyes", "shut"), ("lashes", "only"), ("hat", "top")],
            &[("skin", "#222222"), ("hat", "#333333")],
        );
        let composed = parsed(&style()).compose(&all).unwrap();
        assert!(composed.svg.ends_with(r##"<g><rect stroke="#333333"></rect></g></svg>"##), "{}", composed.svg);
        assert_eq!(composed.shown.variants, choices(&[("eyes", "shut"), ("hat", "top")], &[]).variants);
        assert_eq!(composed.shown.colors, all.colors);
        let style = parsed(&style());
        assert_eq!((style.licence(), style.attributes()), ("Anybody's", (vec!["eyes", "hat"], vec!["hat", "skin"])));
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        let element = |element: Value| {
            let mut style = style();
            style["canvas"]["elements"] = json!([element]);
            style
        };
        let with = |at: &str, key: &str| {
            let mut style = style();
            style.pointer_mut(at).unwrap()[key] = json!("x");
            style
        };
        let cases = [
            (element(json!({ "type": "text", "value": "A" })), "text"),
            (element(json!({ "type": "element", "name": "g", "value": "A" })), "value"),
            (
                element(
                    json!({ "type": "element", "name": "g", "attributes": { "d": { "type": "variable", "name": "x" } } }),
                ),
                r#""variable""#,
            ),
            (element(json!({ "type": "component", "name": "eyes", "children": [] })), "children"),
            (with("", "aliases"), "aliases"),
            (with("/canvas", "depth"), "depth"),
            (with("/components/eyes", "rotate"), "rotate"),
            (with("/components/eyes/variants/shut", "weight"), "weight"),
            (with("/colors/skin", "contrastTo"), "contrastTo"),
        ];
        for (style, name) in cases {
            let error = Style::parse(style.to_string().as_bytes()).err().unwrap().to_string();
            assert!(error.starts_with("this style cannot be read: ") && error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn a_composition_that_lacks_something_says_what() {
        let error = |style: &Value, all: &Choices| parsed(style).compose(all).err().unwrap().to_string();
        let skin = [("skin", "#222222")];
        let said = error(&style(), &choices(&[("eyes", "crossed")], &skin));
        assert!(said.contains("`eyes` with a variant `crossed`"), "{said}");
        let said = error(&style(), &choices(&[], &[]));
        assert!(said.contains("no choice of the colour `skin`"), "{said}");
        let mut style = style();
        style["components"]["lashes"]["variants"]["only"]["elements"] =
            json!([{ "type": "component", "name": "eyes" }]);
        let said = error(&style, &choices(&[("eyes", "open"), ("lashes", "only")], &skin));
        assert!(said.contains("`eyes` lies within too many others"), "{said}");
        style["canvas"]["elements"] = json!([{ "type": "component", "name": "nose" }]);
        assert!(error(&style, &choices(&[], &skin)).contains("a component `nose` that it does not have"));
    }

    #[test]
    fn draws_follow_the_style_s_probabilities_and_colours_that_must_differ_do() {
        let style = parsed(&style());
        let draw = |step| style.draw(&Draws::new(1, step), "#333333", |_, variant| variant != "shut").unwrap();
        let all = (0..2000).map(draw).collect::<Vec<_>>();
        assert!(all[7] == draw(7) && all.windows(2).any(|two| two[0] != two[1]));
        assert!(all.iter().all(|one| one.variants["eyes"] == "open"), "shut eyes are not allowed");
        let hats = all.iter().filter(|one| one.variants.contains_key("hat")).count();
        assert!((430..570).contains(&hats), "{hats} of 2000 have a hat; a quarter should");
        let dark = all.iter().filter(|one| one.colors["skin"] == "#111111").count();
        assert!((900..1100).contains(&dark), "{dark} of 2000 have the first of two colours");
        assert!(all.iter().all(|one| one.colors["hat"] != one.colors["skin"] && one.colors["hat"] != "#333333"));
        assert!(all.iter().all(|one| !one.colors.contains_key("background")), "the style has no such colour");
    }

    #[test]
    fn colours_that_cannot_be_told_apart_are_an_error() {
        let mut made = style();
        made["colors"]["skin"]["notEqualTo"] = json!(["hat"]);
        let error =
            |style: &Value| parsed(style).draw(&Draws::new(1, 0), "#333333", |_, _| true).unwrap_err().to_string();
        assert!(error(&made).contains("must differ from one that is not there or from itself"), "{}", error(&made));
        made["colors"]["skin"] = json!({ "values": ["#333333"], "notEqualTo": ["background"] });
        assert!(error(&made).contains("`skin` has no value"), "{}", error(&made));
    }
}
