//! What a run's events.jsonl says, followed as it grows.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ganvas::doctor::{Episode, Episodes};
use ganvas::run::{Event, Record, standing};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The name of the speed among the scalars.
pub const SPEED: &str = "images_per_sec";

/// A log as far as it was read.
#[derive(Default)]
pub struct Log {
    /// Every event but scalars, in order, as it stands in the file.
    pub records: Vec<Value>,
    /// What the events add up to.
    pub story: Story,
    /// All scalars; none while nobody looks at them.
    pub columns: Option<Columns>,
    /// What was and is wrong, as the doctor tells it by the newest look.
    pub illnesses: Vec<Episode>,
    doctor: Care,
    offset: u64,
    cut: Vec<u8>, // the beginning of a line that is not whole yet
}

/// Whether the doctor hears the log. What it remembers of the looks is much, and a run that nobody trains needs none of it.
enum Care {
    Hears(Episodes),
    /// It has to hear all anew at the next look.
    Rests,
}

impl Default for Care {
    fn default() -> Self {
        Care::Hears(Episodes::default())
    }
}

/// What the events so far add up to.
#[derive(Clone, Default)]
pub struct Story {
    /// When the first and the last were written, in seconds since 1970.
    pub times: Option<(f64, f64)>,
    pub step: u64,
    pub kimg: f64,
    pub total_steps: Option<u64>,
    pub threads: Option<usize>,
    pub version: Option<String>,
    pub parameters: BTreeMap<String, usize>,
    /// Of the last trainer; none while it runs, or when it was killed.
    pub outcome: Option<String>,
    /// The last value of every scalar.
    pub latest: BTreeMap<String, f64>,
    pub previews: Vec<Value>,
    pub metrics: Option<Value>,
}

/// What a new line says.
pub enum News {
    /// A record that is not scalars, with its number.
    Record(Value),
    Scalars(Value),
    /// What is wrong, or what is known of it, is no longer what it was.
    Illnesses,
}

impl Log {
    /// Reads what was appended since the last call. A file that became shorter is read anew.
    pub fn follow(&mut self, path: &Path) -> std::io::Result<Vec<News>> {
        let mut file = ganvas::open_file(path)?;
        let length = file.metadata()?.len();
        if length < self.offset {
            *self = Log { columns: self.columns.as_ref().map(|_| Columns::default()), ..Log::default() };
        }
        if length == self.offset {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = std::mem::take(&mut self.cut);
        self.offset += file.take(length - self.offset).read_to_end(&mut bytes)? as u64;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.cut = bytes.split_off(whole);
        let mut news = bytes.split(|&byte| byte == b'\n').filter_map(|line| self.take(line)).collect::<Vec<_>>();
        if matches!(self.doctor, Care::Rests) && !news.is_empty() {
            let mut all = ganvas::read_file(path)?;
            all.truncate(self.offset as usize - self.cut.len()); // no line twice: the next look reads on from here
            let records = all.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
            self.doctor = Care::Hears(Episodes::of(&standing(records.collect())));
        }
        if let Care::Hears(doctor) = &self.doctor
            && self.illnesses != doctor.all
        {
            self.illnesses.clone_from(&doctor.all);
            news.push(News::Illnesses);
        }
        Ok(news)
    }

    /// Lets the doctor forget the looks, but not what it found.
    pub fn rest(&mut self) {
        self.doctor = Care::Rests;
    }

    /// Reads the scalars, too, and keeps them from now on.
    pub fn with_columns(&mut self, path: &Path) -> std::io::Result<&Columns> {
        if self.columns.is_none() {
            let mut whole = Log { columns: Some(Columns::default()), ..Log::default() };
            whole.follow(path)?;
            self.columns = whole.columns.map(|columns| columns.until(self.story.step));
        }
        Ok(self.columns.get_or_insert_default())
    }

    /// A line that cannot be read is passed over.
    fn take(&mut self, line: &[u8]) -> Option<News> {
        let raw = serde_json::from_slice::<Value>(line).ok()?;
        let Value::Object(fields) = &raw else { return None };
        let record = Record::deserialize(&raw).ok(); // none of a kind not known
        match (&mut self.doctor, &record) {
            (care, Some(Record { event: Event::Started { .. }, .. })) => *care = Care::default(), // all before was undone
            (care, Some(Record { event: Event::Resumed { .. }, .. })) => *care = Care::Rests,
            _ => (),
        }
        if let (Care::Hears(doctor), Some(record)) = (&mut self.doctor, &record) {
            doctor.hear(record);
        }
        let event = record.map(|record| record.event);
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let (time, step, kimg) = (number("time")?, number("step")? as u64, number("kimg")?);
        let story = &mut self.story;
        story.times = Some((story.times.map_or(time, |(first, _)| first), time));
        (story.step, story.kimg) = (step, kimg);
        match event {
            Some(Event::Scalars { mut values, images_per_sec }) => {
                values.insert(SPEED.to_owned(), images_per_sec);
                story.latest.extend(values.iter().map(|(name, value)| (name.clone(), *value)));
                if let Some(columns) = &mut self.columns {
                    columns.push((time, step, kimg), &values);
                }
                return Some(News::Scalars(raw));
            }
            Some(Event::Health { .. }) => return None, // for the doctor alone, and much of it
            Some(Event::Started { version, parameters, total_steps, threads, .. }) => {
                let (times, records) = (story.times, &self.records);
                if !records.is_empty() {
                    self.columns = self.columns.as_ref().map(|_| Columns::default()); // all before it was undone
                }
                *story = Story { times, step, kimg, parameters, ..Story::default() };
                (story.version, story.total_steps, story.threads) = (Some(version), Some(total_steps), Some(threads));
            }
            Some(Event::Resumed { version, total_steps, threads }) => {
                (story.version, story.total_steps, story.threads) = (Some(version), Some(total_steps), Some(threads));
                story.outcome = None;
                let kept = |value: &Value| value["step"].as_u64().is_some_and(|at| at <= step);
                story.previews.retain(kept);
                story.metrics = story.metrics.take().filter(kept);
                self.columns = self.columns.take().map(|columns| columns.until(step));
            }
            Some(Event::Preview { .. }) => {
                story.previews.retain(|old| old["path"] != raw["path"]); // a second one within a thousand images
                story.previews.push(json!({ "step": step, "kimg": kimg, "path": raw["path"] }));
            }
            Some(Event::Metrics { .. }) => story.metrics = Some(raw.clone()),
            Some(Event::Finished { outcome }) => story.outcome = Some(outcome),
            _ => (),
        }
        let mut numbered = Map::from_iter([("number".to_owned(), json!(self.records.len()))]);
        numbered.extend(fields.clone());
        self.records.push(Value::Object(numbered.clone()));
        Some(News::Record(Value::Object(numbered)))
    }
}

/// All scalars of a run, a row for each line of the log.
#[derive(Default)]
pub struct Columns {
    pub step: Vec<u64>,
    kimg: Vec<f64>,
    time: Vec<f64>,
    values: BTreeMap<String, Vec<f64>>, // NaN where a row has none
}

impl Columns {
    fn push(&mut self, (time, step, kimg): (f64, u64, f64), values: &BTreeMap<String, f64>) {
        let rows = self.step.len();
        self.step.push(step);
        self.kimg.push(kimg);
        self.time.push(time);
        for name in values.keys() {
            self.values.entry(name.clone()).or_insert_with(|| vec![f64::NAN; rows]);
        }
        for (name, column) in &mut self.values {
            column.push(values.get(name).copied().unwrap_or(f64::NAN));
        }
    }

    /// Without the rows after a step.
    fn until(mut self, step: u64) -> Self {
        let rows = self.step.iter().take_while(|&&at| at <= step).count();
        self.step.truncate(rows);
        self.kimg.truncate(rows);
        self.time.truncate(rows);
        self.values.values_mut().for_each(|column| column.truncate(rows));
        self
    }

    /// At most `points` buckets of the rows between two steps: of each the mean, the lowest and the highest value of the
    /// series named, of all when none is.
    pub fn thinned(&self, names: &[String], points: usize, [from, to]: [u64; 2]) -> Value {
        let (first, end) = (self.step.partition_point(|&at| at < from), self.step.partition_point(|&at| at <= to));
        let rows = end.saturating_sub(first);
        let buckets = points.min(rows);
        let of = |i: usize| first + i * rows / buckets..first + (i + 1) * rows / buckets;
        let last = |i: usize| of(i).end - 1;
        let thin = |column: &[f64]| {
            let (mut mean, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
            for i in 0..buckets {
                let found = column[of(i)].iter().copied().filter(|value| value.is_finite());
                let (count, sum) = found.clone().fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
                let some = |value: f64| (count > 0).then_some(value);
                mean.push(some(sum / f64::from(count.max(1))));
                low.push(some(found.clone().fold(f64::INFINITY, f64::min)));
                high.push(some(found.fold(f64::NEG_INFINITY, f64::max)));
            }
            json!({ "mean": mean, "low": low, "high": high })
        };
        let wanted = self.values.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        let series = wanted.map(|(name, column)| (name.clone(), thin(column))).collect::<Map<_, _>>();
        json!({
            "step": (0..buckets).map(|i| self.step[last(i)]).collect::<Vec<_>>(),
            "kimg": (0..buckets).map(|i| self.kimg[last(i)]).collect::<Vec<_>>(),
            "time": (0..buckets).map(|i| self.time[last(i)]).collect::<Vec<_>>(),
            "series": series,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(step: u64, rest: &str) -> String {
        format!("{{\"time\":{step},\"step\":{step},\"kimg\":{step},{rest}}}\n")
    }

    fn scalars(step: u64, loss: f64) -> String {
        line(step, &format!("\"event\":\"scalars\",\"values\":{{\"d_loss\":{loss}}},\"images_per_sec\":5"))
    }

    const STARTED: &str =
        "\"event\":\"started\",\"version\":\"1\",\"recipe\":\"ring\",\"parameters\":{},\"total_steps\":9,\"threads\":1";
    const RESUMED: &str = "\"event\":\"resumed\",\"version\":\"1\",\"total_steps\":9,\"threads\":1";

    #[test]
    fn what_a_resumed_run_undid_is_left_out_whenever_the_scalars_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let first = [line(0, STARTED), scalars(1, 1.0), scalars(2, 2.0), scalars(3, 3.0)].concat();
        let preview = line(3, "\"event\":\"preview\",\"path\":\"previews/3.png\"");
        fs::write(&path, [first.clone(), preview.clone()].concat()).unwrap();
        let [mut early, mut late] = [Log::default(), Log::default()];
        assert_eq!(early.follow(&path).unwrap().len(), 5);
        assert_eq!(early.with_columns(&path).unwrap().step, [1, 2, 3]);
        fs::write(&path, [first, preview, line(2, RESUMED), scalars(3, 30.0)].concat()).unwrap();
        for log in [&mut early, &mut late] {
            log.follow(&path).unwrap();
            let found = log.with_columns(&path).unwrap().thinned(&["d_loss".to_owned()], 10, [0, u64::MAX]);
            assert_eq!(found["series"]["d_loss"]["mean"], json!([1.0, 2.0, 30.0]));
            assert!(log.story.previews.is_empty(), "the preview of step 3 was undone");
        }
    }

    /// A look at a D that is right about all, and so sure that a fake sample is real.
    fn sure(step: u64, d_fake: f64) -> String {
        let values =
            format!("\"d_accuracy_real\":1,\"d_accuracy_fake\":1,\"d_loss\":0.1,\"g_loss\":9,\"d_fake\":{d_fake}");
        line(step, &format!("\"event\":\"scalars\",\"values\":{{{values}}},\"images_per_sec\":5"))
    }

    #[test]
    fn an_illness_follows_the_newest_look_also_after_the_doctor_has_rested_and_goes_with_what_was_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut text = [line(0, STARTED), sure(1, 9e-4), sure(2, 8e-4), sure(3, 7e-4)].concat();
        fs::write(&path, &text).unwrap();
        let mut log = Log::default();
        assert!(log.follow(&path).unwrap().iter().any(|news| matches!(news, News::Illnesses)));
        log.rest();
        assert_eq!((log.illnesses.len(), log.illnesses[0].diagnosis.evidence["d_fake"]), (1, 7e-4));
        text += &sure(4, 6e-4);
        fs::write(&path, &text).unwrap();
        assert!(log.follow(&path).unwrap().iter().any(|news| matches!(news, News::Illnesses)));
        let found = &log.illnesses[0];
        assert_eq!((log.illnesses.len(), found.diagnosis.since_step, found.found_step, found.seen_step), (1, 1, 3, 4));
        assert_eq!((found.diagnosis.evidence["d_fake"], found.first.evidence["d_fake"]), (6e-4, 7e-4));
        text += &line(2, RESUMED);
        fs::write(&path, &text).unwrap();
        log.follow(&path).unwrap();
        assert_eq!(log.illnesses, [], "its third look was undone");
    }

    #[test]
    fn a_line_is_read_when_it_is_whole_and_one_that_is_no_record_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let (whole, [half, rest]) = (line(0, STARTED), ["{\"time\":1,\"step\":1,\"kimg\":1,\"event\":\"san", "g\"}\n"]);
        fs::write(&path, format!("{whole}not JSON\n[1]\n{half}")).unwrap();
        let mut log = Log::default();
        assert_eq!(log.follow(&path).unwrap().len(), 1);
        fs::write(&path, format!("{whole}not JSON\n[1]\n{half}{rest}")).unwrap();
        let news = log.follow(&path).unwrap();
        let [News::Record(record)] = news.as_slice() else { panic!("one record, of a kind not known") };
        assert_eq!((&record["event"], &record["number"]), (&json!("sang"), &json!(1)));
        fs::write(&path, &whole).unwrap();
        assert_eq!((log.follow(&path).unwrap().len(), log.records.len()), (1, 1), "a new log is read anew");
    }

    #[test]
    fn a_thinned_curve_keeps_its_mean_and_its_extremes() {
        let mut columns = Columns::default();
        for step in 0..1000 {
            let value = if step == 500 { 100.0 } else { f64::from(step % 2) };
            let values = BTreeMap::from_iter((step != 7).then(|| ("a".to_owned(), value)));
            columns.push((0.0, step as u64, 0.0), &values);
        }
        let found = columns.thinned(&[], 10, [0, 999]);
        assert_eq!(found["step"][9], json!(999));
        assert_eq!(found["series"]["a"]["high"][5], json!(100.0));
        assert_eq!(found["series"]["a"]["mean"][1], json!(0.5));
        assert_eq!(found["series"]["a"]["low"][1], json!(0.0));
        let one_by_one = columns.thinned(&[], 2000, [6, 8]);
        assert_eq!(one_by_one["series"]["a"]["mean"], json!([0.0, null, 0.0]));
        assert_eq!(columns.thinned(&[], 10, [5, 4])["step"], json!([]));
    }
}
