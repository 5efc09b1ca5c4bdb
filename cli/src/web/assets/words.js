// Every text of the page but the story, [English, Vietnamese], and which of the two languages it is.
import { remember, remembered } from "./dom.js";

const LANGUAGES = ["en", "vi"];
const preferred = (globalThis.navigator?.languages ?? ["en"]).some((tag) => tag.startsWith("vi")) ? "vi" : "en";
let now = remembered("language", preferred);
if (!LANGUAGES.includes(now)) now = "en";

export const language = () => now;

export function setLanguage(name) {
	now = name;
	remember("language", name);
}

/** The half of a pair that is in the chosen language. */
export const chosen = (pair) => pair[LANGUAGES.indexOf(now)];

const WORDS = {
	skip: ["Skip to the content", "Tới nội dung chính"],
	home: ["Ganvas, all runs", "Ganvas, mọi run"],
	colours: ["Colours", "Màu giao diện"],
	theme_system: ["System", "Hệ thống"],
	theme_light: ["Light", "Sáng"],
	theme_dark: ["Dark", "Tối"],
	connectionLost: ["The connection to the server is lost; trying again …", "Mất kết nối với máy chủ; đang thử lại …"],
	cannotShow: ["This cannot be shown", "Không hiển thị được"],
	noServer: ["The server does not answer.", "Máy chủ không trả lời."],
	tryAgain: ["Try again", "Thử lại"],
	whereYouAre: ["Where you are", "Vị trí hiện tại"],
	to: ["to", "đến"],

	runs: ["Runs", "Các run"],
	run: ["Run", "Run"],
	state: ["State", "Trạng thái"],
	metric: ["Metric", "Phép đo"],
	state_running: ["running", "đang chạy"],
	state_finished: ["finished", "hoàn thành"],
	state_stopped: ["stopped", "đã dừng"],
	state_failed: ["failed", "thất bại"],
	state_killed: ["killed", "bị ngắt"],
	state_imported: ["imported", "đã nhập"],
	state_broken: ["broken", "bị hỏng"],
	state_waiting: ["waiting", "đang chờ"],
	hint_waiting: ["This run has not taken a step yet. The page goes on by itself when it does.", "Run này chưa đi bước nào. Trang sẽ tự cập nhật khi run bắt đầu."],
	hint_killed: ["This run was killed. `ganvas resume {path}` goes on from its last checkpoint.", "Run này đã bị ngắt đột ngột. `ganvas resume {path}` sẽ chạy tiếp từ checkpoint cuối."],
	hint_broken: ["The configuration of this run cannot be read; mend its `config.toml`.", "Không đọc được cấu hình của run này; hãy sửa `config.toml` của nó."],
	hint_imported: ["A network that others trained: it has no training to show. Use it in “Play”.", "Mạng do người khác huấn luyện nên không có quá trình huấn luyện để xem. Hãy dùng nó ở mục “Chơi thử”."],
	hint_failed: ["This run failed. The doctor and the last events say why.", "Run này đã thất bại. Xem nguyên nhân ở mục bác sĩ và các sự kiện cuối."],
	progress: ["Progress", "Tiến độ"],
	ofAll: ["{done} of {all}", "{done} trên {all}"],
	left: ["{time} left", "còn {time}"],
	chooseRun: ["Compare {run}", "So sánh {run}"],
	comparing: ["Compare runs", "So sánh các run"],
	compareThem: ["Compare", "So sánh"],
	chosenOne: ["One run chosen; choose another to compare it with.", "Đã chọn một run; hãy chọn thêm một run nữa để so sánh."],
	chosenMany: ["{count} runs chosen", "Đã chọn {count} run"],
	lastPreviewOf: ["Newest preview of {run}", "Ảnh xem trước mới nhất của {run}"],
	noPreviewYet: ["No preview yet", "Chưa có ảnh xem trước"],
	sinceStep: ["since step {step}", "từ bước {step}"],
	fromToStep: ["from step {from} to step {to}; it has passed", "từ bước {from} đến bước {to}; đã qua"],
	inFolder: ["in", "trong"],
	importedNetwork: ["Imported network", "Mạng đã nhập"],
	from: ["From {source}. Licence: {licence}", "Từ {source}. Giấy phép: {licence}"],
	noLicence: ["nobody said which", "không rõ"],
	network: ["Network", "Mạng"],
	source: ["Source", "Nguồn"],
	licence: ["Licence", "Giấy phép"],
	imported: ["Imported", "Nhập lúc"],
	noRuns: ["No runs here yet", "Chưa có run nào"],
	noRunsHow: ["Train the first one. It takes minutes, on this computer's processor:", "Hãy huấn luyện run đầu tiên. Chỉ mất vài phút, ngay trên CPU của máy này:"],
	noRunsThen: ["It appears here by itself.", "Run sẽ tự xuất hiện ở đây."],
	scalar: ["Scalar", "Đại lượng"],
	differences: ["Differs from the defaults in", "Khác mặc định ở"],
	comparedRuns: ["The compared runs", "Các run được so sánh"],
	notThere: ["Not there: {runs}.", "Không tìm thấy: {runs}."],

	views: ["Views of this run", "Các mục của run"],
	view_: ["Overview", "Tổng quan"],
	view_play: ["Play", "Chơi thử"],
	view_learn: ["How a GAN works", "GAN hoạt động thế nào"],
	step: ["Step", "Bước"],
	eta: ["Time left", "Thời gian còn lại"],
	speed: ["Speed", "Tốc độ"],
	imagesPerSecond: ["{count} images/s", "{count} ảnh/giây"],
	parameters: ["Parameters", "Số tham số"],
	started: ["Started", "Bắt đầu"],
	changed: ["Last change", "Thay đổi cuối"],

	film: ["The learning as a film", "Phim quá trình học"],
	filmPosition: ["Preview", "Ảnh xem trước"],
	previewAt: ["Preview after {kimg}", "Ảnh xem trước sau {kimg}"],
	play: ["Play", "Phát"],
	pause: ["Pause", "Tạm dừng"],
	perSecond: ["{rate} a second", "{rate} ảnh/giây"],

	charts: ["Charts", "Biểu đồ"],
	chartsHow: [
		"Drag over a range to see it finer; double-click to see all. Keyboard: arrow keys for values, + and - to zoom. The faint line is what was logged, the band its lowest and highest values.",
		"Kéo chuột qua một đoạn để xem chi tiết; nhấp đúp để xem tất cả. Bàn phím: mũi tên để xem giá trị, + và - để phóng to, thu nhỏ. Đường mờ là giá trị đã ghi, dải màu là giá trị thấp nhất và cao nhất.",
	],
	group_losses: ["Losses", "Loss"],
	group_decisions: ["D(x) and D(G(z))", "D(x) và D(G(z))"],
	group_accuracies: ["D's accuracy", "Độ chính xác của D"],
	group_gradients: ["Gradient norms", "Chuẩn của gradient"],
	group_penalties: ["Penalties", "Các penalty"],
	group_spread: ["How far samples are apart", "Độ khác nhau giữa các mẫu"],
	group_variety: ["Variety", "Độ đa dạng"],
	group_speed: ["Speed", "Tốc độ"],
	group_other: ["Other", "Khác"],
	smoothing: ["Smoothing", "Làm mượt"],
	log: ["log", "log"],
	zoomOut: ["Zoom out", "Thu nhỏ lại"],
	asTable: ["Values as a table", "Giá trị dạng bảng"],
	tableOf: ["{title}: values", "{title}: các giá trị"],
	chartValues: ["{title}: values at a point", "{title}: giá trị tại một điểm"],
	atKimg: ["at {kimg} kimg", "tại {kimg} kimg"],
	noPoints: ["Nothing logged yet", "Chưa ghi gì"],
	noScalars: ["Nothing is logged yet; charts come with the first numbers.", "Chưa ghi số liệu nào; biểu đồ sẽ hiện khi có số đầu tiên."],
	points: ["{count} points", "{count} điểm"],
	onePoint: ["1 point", "1 điểm"],

	doctor: ["Doctor", "Bác sĩ"],
	noDiagnosis: ["Nothing is wrong as far as the doctor can see.", "Bác sĩ chưa thấy gì bất thường."],
	allPassed: ["Nothing is wrong now. What there was has passed:", "Hiện không có gì bất thường. Những gì từng có đã qua:"],
	nothingToJudge: ["There is nothing to judge yet.", "Chưa có gì để xem xét."],
	leadsTo: ["What it leads to", "Hậu quả"],
	whatToTry: ["What to try", "Nên thử"],
	evidence: ["Evidence", "Bằng chứng"],
	whenFound: ["When it was found, at step {step}: ", "Lúc phát hiện, ở bước {step}: "],

	measurements: ["Measurements", "Các phép đo"],
	intervalMeans: ["The band and the brackets are 95 % intervals of drawing samples.", "Dải màu và ngoặc vuông là khoảng tin cậy 95 % của việc lấy mẫu."],
	passportsAt: ["Passports after {kimg}", "Hồ sơ phép đo sau {kimg}"],
	config: ["Configuration", "Cấu hình"],
	key: ["Key", "Khóa"],
	value: ["Value", "Giá trị"],
	default: ["Default", "Mặc định"],
	allDefaults: ["All as the recipe's defaults.", "Tất cả theo mặc định của recipe."],
	wholeConfig: ["All of config.toml", "Toàn bộ config.toml"],
	noEvents: ["Nothing has happened yet.", "Chưa có gì xảy ra."],
	events: ["Events", "Sự kiện"],
	downloads: ["Downloads", "Tải về"],

	any: ["any", "bất kỳ"],
	noCheckpoint: ["Nothing to play with yet", "Chưa có gì để chơi"],
	noCheckpointHow: ["The first checkpoint comes by itself while the run trains; this page then shows what it has learned.", "Checkpoint (bản lưu mô hình) đầu tiên sẽ tự có trong lúc huấn luyện; khi đó trang này sẽ hiện những gì run đã học được."],
	newestCheckpoint: ["{name} (newest)", "{name} (mới nhất)"],
	truncationHow: ["Less: closer to the average sample, safer and more alike. 1: as learned.", "Nhỏ hơn: gần mẫu trung bình hơn, an toàn hơn nhưng giống nhau hơn. 1: đúng như đã học."],
	pictureTitle: ["One picture", "Một bức ảnh"],
	faceHow: ["Every face in it gets the face that is chosen. Ask the people first, and say that it is swapped where you show it.", "Mọi khuôn mặt trong ảnh sẽ được thay bằng khuôn mặt đã chọn. Hãy hỏi những người có mặt trước, và ghi rõ là ảnh đã thay mặt khi cho người khác xem."],
	pictureHow: ["It goes to this server alone, and is not kept.", "Ảnh chỉ được gửi tới máy chủ này và không được lưu lại."],
	dropPicture: ["Drop a picture here or choose one (PNG, JPEG, WebP, GIF):", "Thả một ảnh vào đây hoặc chọn ảnh (PNG, JPEG, WebP, GIF):"],
	longerSide: ["Longer side, in pixels, at most", "Cạnh dài tối đa (pixel)"],
	givenPicture: ["Given", "Ảnh đưa vào"],
	madePicture: ["Result", "Kết quả"],
	poseTitle: ["Pose", "Tư thế"],
	poseHow: ["Drag the joints over the result, or move the chosen one by the arrow keys: the person follows.", "Kéo các khớp trên ảnh kết quả, hoặc di chuyển khớp đang chọn bằng phím mũi tên: người trong ảnh sẽ đổi tư thế theo."],
	choosePose: ["A pose (JSON, or a photo)", "Một tư thế (JSON hoặc ảnh)"],
	usualPose: ["The usual pose", "Tư thế ban đầu"],
	savePose: ["Download the pose", "Tải tư thế về"],
	making: ["Working …", "Đang xử lý …"],
	savePicture: ["Download the result", "Tải kết quả về"],
	sizes: ["{from} pixels became {to}.", "Từ {from} thành {to} pixel."],
	wrongSeed: ["A seed is a whole number from 0 to {highest}.", "Seed là một số nguyên từ 0 đến {highest}."],
	oneSeed: ["One seed", "Một seed"],
	oneSeedHow: ["The same seed gives the same sample, always.", "Cùng một seed luôn cho cùng một mẫu."],
	nextSeed: ["Next", "Kế tiếp"],
	randomSeed: ["Random", "Ngẫu nhiên"],
	randomSeeds: ["Two others", "Hai seed khác"],
	sampleOfSeed: ["Sample of seed {seed}", "Mẫu của seed {seed}"],
	between: ["Between two seeds", "Giữa hai seed"],
	betweenHow: ["What lies on the way from one to the other.", "Những gì nằm trên đường đi từ seed này sang seed kia."],
	fromSeed: ["from", "từ"],
	toSeed: ["to", "đến"],
	onTheWay: ["On the way", "Trên đường"],
	sampleBetween: ["Sample {t} of the way from seed {from} to seed {to}", "Mẫu ở {t} quãng đường từ seed {from} đến seed {to}"],
	explorer: ["Explorer", "Khám phá"],
	explorerHow: ["Choose a sample: it goes to the top left, with neighbours bred from it. Choose again.", "Chọn một mẫu: mẫu đó lên góc trên bên trái, cùng các mẫu lân cận lai ra từ nó. Rồi lại chọn tiếp."],
	explorerSeeds: ["Seeds {first} to {last}", "Seed {first} đến {last}"],
	explorerRound: ["Round {round}: the chosen sample and neighbours, {width} away", "Vòng {round}: mẫu đã chọn và các mẫu lân cận, cách {width}"],
	chosenSample: ["The chosen sample", "Mẫu đã chọn"],
	explorerGrid: ["Grid of samples", "Lưới mẫu"],
	cells: ["Samples: choose one with the arrow keys and Enter", "Các mẫu: chọn bằng phím mũi tên và Enter"],
	cellSeed: ["Breed from seed {seed}", "Lai từ seed {seed}"],
	cellSelf: ["The chosen sample: other neighbours", "Mẫu đã chọn: lấy mẫu lân cận khác"],
	cellNeighbour: ["Breed from neighbour {place}", "Lai từ mẫu lân cận {place}"],
	neighbourhood: ["Distance of neighbours", "Khoảng cách lân cận"],
	back: ["Back", "Quay lại"],
	startAgain: ["Start again", "Làm lại từ đầu"],
	otherSeeds: ["Others", "Mẫu khác"],
	pointsTitle: ["Many seeds", "Nhiều seed"],
	pointsHow: ["{count} seeds, a point each.", "{count} seed, mỗi seed một điểm."],
	pointsOf: ["Points of {count} seeds", "Điểm của {count} seed"],
	otherPoints: ["Others", "Các seed khác"],
	contents: ["Chapters", "Các phần"],

	event_started: ["Training began with Ganvas {version}: {steps} steps on {threads} threads.", "Bắt đầu huấn luyện bằng Ganvas {version}: {steps} bước, {threads} luồng."],
	event_resumed: ["Training went on from step {step} with Ganvas {version}; what came after was undone.", "Huấn luyện tiếp từ bước {step} bằng Ganvas {version}; những gì sau đó bị bỏ."],
	event_preview: ["A preview was drawn.", "Đã vẽ một ảnh xem trước."],
	event_previews: ["{count} previews were drawn, from {from} on.", "Đã vẽ {count} ảnh xem trước, kể từ {from}."],
	event_checkpoint: ["Checkpoint {name} was written.", "Đã ghi checkpoint {name}."],
	event_metrics: ["Samples were measured: {metrics}.", "Đã đo các mẫu: {metrics}."],
	event_diagnosis: ["Diagnosis: {name}.", "Chẩn đoán: {name}."],
	event_rolled_back: ["Went back to this step: {name}.", "Quay về bước này: {name}."],
	event_passed: ["Passed: {name}.", "Đã qua: {name}."],
	event_done: ["Training was finished.", "Huấn luyện đã hoàn thành."],
	event_stopped: ["Training was stopped; `ganvas resume {path}` goes on from here.", "Huấn luyện đã dừng; `ganvas resume {path}` sẽ chạy tiếp từ đây."],
	event_failed: ["Training failed.", "Huấn luyện thất bại."],
};

/** The text `key`, with `{name}` replaced by `values`. */
export function say(key, values = {}) {
	return chosen(WORDS[key]).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const SCALARS = {
	d_loss: ["D's loss", "loss của D"],
	g_loss: ["G's loss", "loss của G"],
	d_real: ["D(x), real", "D(x), thật"],
	d_fake: ["D(G(z)), fake", "D(G(z)), giả"],
	d_accuracy_real: ["D's accuracy on real", "D đúng với mẫu thật"],
	d_accuracy_fake: ["D's accuracy on fake", "D đúng với mẫu giả"],
	d_gradient_norm: ["D's gradient norm", "chuẩn gradient của D"],
	g_gradient_norm: ["G's gradient norm", "chuẩn gradient của G"],
	d_penalty: ["D's penalty", "penalty của D"],
	path_length_penalty: ["path length penalty", "penalty độ dài đường"],
	augment_strength: ["augmentation strength", "mức tăng cường dữ liệu"],
	images_per_sec: ["images per second", "ảnh mỗi giây"],
	sample_spread: ["spread of samples", "độ phân tán của mẫu"],
	real_spread: ["spread of real ones", "độ phân tán của mẫu thật"],
	sample_rank: ["directions of samples", "số hướng của mẫu"],
	real_rank: ["directions of real ones", "số hướng của mẫu thật"],
	sample_change: ["change of samples", "độ thay đổi của mẫu"],
	largest_class: ["largest class", "lớp đông nhất"],
	d_gap: ["D: seen − held out", "D: đã học − chưa học"],
	l1: ["distance from the truth", "khoảng cách tới ảnh đúng"],
	mse: ["squared distance from the truth", "bình phương khoảng cách tới ảnh đúng"],
	perceptual: ["perceptual distance", "khoảng cách cảm nhận"],
	cycle: ["there and back", "đi rồi về"],
	identity: ["change of what is right already", "thay đổi ở ảnh đã đúng"],
	detection: ["damage not found", "hư hỏng chưa tìm ra"],
	matching: ["distance in D's features", "khoảng cách theo đặc trưng của D"],
	image: ["distance of mean images", "khoảng cách giữa ảnh trung bình"],
	features: ["distance of mean features", "khoảng cách giữa đặc trưng trung bình"],
	usual: ["usual", "bình thường"],
	swings: ["swings", "số lần dao động"],
	lowest: ["lowest", "thấp nhất"],
	highest: ["highest", "cao nhất"],
	dead: ["share of units", "tỉ lệ đơn vị"],
	free_megabytes: ["free MB", "MB còn trống"],
	checkpoint_megabytes: ["MB a checkpoint", "MB mỗi checkpoint"],
};

/** What a name of the log stands for, in words. */
export const scalarName = (name) => (name in SCALARS ? chosen(SCALARS[name]) : name.replaceAll("_", " "));

const FIELDS = {
	direction: ["Direction", "Hướng"],
	detail: ["Detail", "Chi tiết"],
	truncation: ["Truncation", "Truncation"],
	text: ["Sentence (in English)", "Câu (bằng tiếng Anh)"],
	chords: ["Chords", "Hợp âm"],
	first: ["First bar", "Ô nhịp đầu"],
	before: ["Bar before", "Ô nhịp trước"],
	show: ["Show", "Hiển thị"],
};

const JOINTS = {
	nose: "mũi", "left eye": "mắt trái", "right eye": "mắt phải", "left ear": "tai trái", "right ear": "tai phải",
	"left shoulder": "vai trái", "right shoulder": "vai phải", "left elbow": "khuỷu tay trái", "right elbow": "khuỷu tay phải",
	"left wrist": "cổ tay trái", "right wrist": "cổ tay phải", "left hip": "hông trái", "right hip": "hông phải",
	"left knee": "đầu gối trái", "right knee": "đầu gối phải", "left ankle": "cổ chân trái", "right ankle": "cổ chân phải",
};

/** The name of a joint. */
export const jointName = (name) => (name in JOINTS ? chosen([name, JOINTS[name]]) : name);

/** What a model takes, in words. */
export const fieldName = (name) => (name in FIELDS ? chosen(FIELDS[name]) : name.replaceAll("_", " "));

/** Names of diagnoses; in Vietnamese what was found, with its evidence, what it leads to and what to try, which the server says in English. */
const DIAGNOSES = {
	not_finite: {
		name: ["A value is not a number", "Có giá trị không còn là số"],
		leadsTo: "Trọng số nào dính giá trị này cũng hỏng theo; không học thêm được gì nữa.",
		remedy: "Giảm learning_rate; `ganvas train --on-trouble rollback` giảm nó một nửa rồi chạy tiếp từ checkpoint tốt gần nhất.",
	},
	d_too_strong: {
		name: ["D is too strong", "D quá mạnh"],
		found: "D đúng với {d_accuracy_real%} mẫu thật và {d_accuracy_fake%} mẫu giả, và cho một mẫu giả xác suất là thật {d_fake}.",
		leadsTo: "G biết mình sai nhưng hầu như không biết sửa theo hướng nào; nó đứng yên hoặc chỉ lặp lại vài mẫu.",
		remedy: "Giảm learning_rate; làm D yếu đi (real_label, dropout); thêm penalty lên gradient của D (penalty, gamma) nếu recipe có; đổi train.seed.",
	},
	mode_collapse: {
		name: ["Mode collapse", "Mode collapse (sụp đổ mode)"],
		found: "Độ khác nhau của các mẫu là {sample_spread}, của mẫu thật là {real_spread}|; {largest_class%} thuộc một lớp|; các mẫu khác nhau theo {sample_rank} hướng, mẫu thật theo {real_rank}|.",
		leadsTo: "Seed nào G cũng vẽ ra vài mẫu giống nhau; những kiểu đã bỏ rơi rất lâu mới trở lại, hoặc không bao giờ.",
		remedy: "Đổi train.seed hoặc giảm learning_rate; loss = \"relativistic\" và penalty = \"r1r2\" nếu recipe có; tăng gamma nếu có; tăng train.batch.",
	},
	g_frozen: {
		name: ["G is frozen", "G bị đóng băng"],
		found: "Các mẫu giống hệt lần xem trước.",
		leadsTo: "G không được huấn luyện: chạy bao lâu mẫu cũng không đổi.",
		remedy: "Đặt learning_rate lớn hơn 0; recipe tự viết: xem loss của G có phụ thuộc trọng số của G không.",
	},
	oscillation: {
		name: ["The players go in circles", "Hai bên đuổi vòng tròn"],
		found: "Độ chính xác của D với mẫu giả dao động {swings} lần giữa {lowest%} và {highest%}.",
		leadsTo: "Hai bên đuổi nhau mãi mà không bên nào khá lên; checkpoint cuối tốt hay xấu là do may rủi.",
		remedy: "Giảm learning_rate; lấy mẫu từ trung bình trọng số của G (average_kimg); thêm penalty lên gradient của D (penalty, gamma) nếu recipe có.",
	},
	exploding_gradient: {
		name: ["A gradient explodes", "Gradient bùng nổ"],
		found: "Gradient| của D có chuẩn {d_gradient_norm}| của G có chuẩn {g_gradient_norm}|, bình thường là {usual}|; lớp {layer} tăng nhiều nhất|.",
		leadsTo: "Các lần cập nhật không theo hướng nào có ích, và sắp có giá trị không còn là số.",
		remedy: "Giảm learning_rate; tăng penalty lên gradient của D (penalty, gamma) nếu recipe có.",
	},
	vanishing_gradient: {
		name: ["A gradient vanishes", "Gradient triệt tiêu"],
		found: "Gradient| của D có chuẩn {d_gradient_norm}| của G có chuẩn {g_gradient_norm}|, bình thường là {usual}|; lớp {layer} giảm nhiều nhất|.",
		leadsTo: "Lớp đó và các lớp trước nó không học được nữa.",
		remedy: "Nếu là của G: generator_loss hoặc loss = \"non_saturating\" nếu recipe có. Giảm learning_rate; đổi train.seed.",
	},
	dead_units: {
		name: ["Units are dead", "Có đơn vị đã chết"],
		found: "Không mẫu nào của batch đi qua {dead%} số đơn vị| của {layer}|.",
		leadsTo: "Mạng nhỏ hơn vẻ ngoài của nó, và các đơn vị này không tự hồi lại.",
		remedy: "Giảm learning_rate; đổi train.seed; recipe tự viết: dùng leaky ReLU.",
	},
	d_memorises: {
		name: ["D memorises its samples", "D học thuộc lòng mẫu"],
		found: "Logit của D ở mẫu đang học cao hơn ở mẫu chưa học {d_gap} độ lệch chuẩn.",
		leadsTo: "D thuộc lòng các mẫu của mình nên điều nó dạy G không còn đúng với mẫu khác; từ đây mẫu sẽ xấu dần.",
		remedy: "Thêm dữ liệu; dùng checkpoint trước đó; tăng augment_target, gamma hoặc dropout nếu recipe có.",
	},
	learning_stalled: {
		name: ["Learning has stalled", "Việc học chững lại"],
		found: "Các mẫu chỉ thay đổi {sample_change}, trong khi mẫu thật cách nhau {real_spread} và D vẫn phân biệt được hai bên.",
		leadsTo: "Huấn luyện thêm theo kiểu này cũng không thay đổi gì.",
		remedy: "Dừng lại; thử train.seed, loss hoặc kích thước mạng (width) khác.",
	},
	slow: {
		name: ["Slower than expected", "Chậm hơn dự kiến"],
		found: "Run xem {images_per_sec} ảnh mỗi giây, bình thường là {usual}.",
		leadsTo: "Run sẽ mất hơn gấp đôi thời gian đã báo.",
		remedy: "Xem còn gì khác dùng CPU; đặt train.threads bằng số lõi rảnh.",
	},
	disk_full_soon: {
		name: ["The disk is nearly full", "Đĩa sắp đầy"],
		found: "Đĩa còn {free_megabytes} MB, mỗi checkpoint cần {checkpoint_megabytes} MB.",
		leadsTo: "Không ghi được checkpoint tiếp theo và run sẽ kết thúc.",
		remedy: "Giải phóng dung lượng; đặt train.keep_checkpoints = 1.",
	},
};

export const diagnosisFound = (name) => (now === "vi" ? DIAGNOSES[name]?.found : undefined);

export const diagnosisName = (name) => (name in DIAGNOSES ? chosen(DIAGNOSES[name].name) : name.replaceAll("_", " "));

/** What a diagnosis leads to and what to try: the server's sentence, or ours where it is Vietnamese that is read. */
export function diagnosisAdvice(record) {
	const known = now === "vi" ? DIAGNOSES[record.name] : undefined;
	const either = (ours, theirs) => (ours && theirs ? { text: ours } : theirs ? { text: theirs, foreign: now !== "en" } : null);
	return { leadsTo: either(known?.leadsTo, record.leads_to), remedy: either(known?.remedy, record.try) };
}

/** A record in words; `foreign` is what follows in the server's own. Null for a kind that is not known. */
export function eventSentence({ record, to, count }) {
	const { event } = record;
	const whole = (value) => new Intl.NumberFormat(now).format(value);
	if (event === "started") return { text: say("event_started", { version: record.version, steps: whole(record.total_steps), threads: record.threads }) };
	if (event === "resumed") return { text: say("event_resumed", { version: record.version, step: whole(record.step) }) };
	if (event === "preview" && count === 1) return { text: say("event_preview") };
	if (event === "preview") return { text: say("event_previews", { count: whole(count), from: `${whole(Math.round(record.kimg))} kimg` }) };
	if (event === "checkpoint") return { text: say("event_checkpoint", { name: to.path.split("/").pop() }) };
	if (event === "metrics") return { text: say("event_metrics", { metrics: (record.passports ?? []).map(({ metric }) => metric).join(", ") }) };
	if (event === "diagnosis") return { text: say(record.ended ? "event_passed" : "event_diagnosis", { name: diagnosisName(record.name) }), foreign: record.sentence };
	if (event === "rolled_back") return { text: say("event_rolled_back", { name: diagnosisName(record.because) }), foreign: record.changes.map(({ key, value }) => `${key} = ${value}`).join(", ") };
	if (event === "finished" && ["done", "stopped", "failed"].includes(record.outcome)) return { text: say(`event_${record.outcome}`) };
	return null;
}
