// The text of "How a GAN works", [English, Vietnamese]. *word* is emphasised, $x$ a formula, {name} a number of the run.

export const STORY = {
	forger: {
		title: ["The forger and the policeman", "Người làm tiền giả và cảnh sát"],
		text: [[
			"A *generative model* makes new data like those it was shown. A *GAN* (generative adversarial network) is two networks that play against each other.",
			"*Generative model* (mô hình sinh) tạo ra dữ liệu mới giống dữ liệu nó đã được xem. *GAN* (generative adversarial network, mạng sinh đối kháng) gồm hai mạng đấu với nhau.",
		], [
			"Think of a forger and a policeman. The forger wants to make notes that pass for real. He has never held a real one: all he learns comes from the policeman's verdicts. The policeman has two jobs. He must learn to tell real notes from false ones, and each verdict lets the forger know what gave the note away.",
			"Hãy hình dung một người làm tiền giả và một cảnh sát. Người làm tiền giả muốn làm ra những tờ tiền trông như thật. Anh ta chưa từng cầm tờ tiền thật nào: mọi điều anh ta học được đều từ lời phán của cảnh sát. Cảnh sát có hai việc. Một là học cách phân biệt tiền thật với tiền giả. Hai là, qua mỗi lời phán, cho người làm tiền giả biết tờ tiền còn lộ ở chỗ nào.",
		], [
			"So both get better. The notes come closer to real ones, the policeman's eye becomes sharper, and at the end even he can only guess.",
			"Cứ thế cả hai cùng giỏi lên: tiền giả ngày càng giống thật, mắt cảnh sát ngày càng tinh, và cuối cùng ngay cả cảnh sát cũng chỉ còn cách đoán mò.",
		]],
	},
	networks: {
		title: ["Two networks: generator and discriminator", "Hai mạng: generator và discriminator"],
		text: [[
			"The forger is the *generator*, G. Its input is *noise*, a vector z of random numbers; its output is a sample G(z). Why noise? Because no two real samples are quite alike: another z must give another sample. In the view “Play”, a seed stands for a z.",
			"Người làm tiền giả là *generator* (mạng sinh), viết tắt là G. Đầu vào của G là *noise* (nhiễu): một vector z gồm các số ngẫu nhiên; đầu ra là một mẫu G(z). Vì sao đầu vào lại là nhiễu? Vì dữ liệu thật không mẫu nào giống hệt mẫu nào: z khác thì phải ra mẫu khác. Ở mục “Chơi thử”, mỗi seed ứng với một z.",
		], [
			"The policeman is the *discriminator*, D. It sees a sample, either a real one, x, or a fake one, G(z), and answers with one number between 0 and 1: how probable it is that the sample is real. That is a classification into two classes.",
			"Cảnh sát là *discriminator* (mạng phân biệt), viết tắt là D. D nhận một mẫu, có thể là mẫu thật x hoặc mẫu giả G(z), và trả lời bằng một số từ 0 đến 1: xác suất để mẫu đó là thật. Đây chính là bài toán phân loại nhị phân (binary classification).",
		]],
	},
	discriminator: {
		title: ["What the discriminator wants", "Discriminator muốn gì"],
		text: [[
			"D wants to answer 1 for what is real and 0 for what is fake: D(x) towards 1, D(G(z)) towards 0. A loss that says so is the cross-entropy of the two classes, averaged over many samples:",
			"D muốn trả lời 1 với mẫu thật và 0 với mẫu giả: D(x) tiến về 1, D(G(z)) tiến về 0. Loss (hàm mất mát) diễn đạt điều đó là cross-entropy của hai lớp, lấy trung bình trên nhiều mẫu:",
		]],
	},
	generator: {
		title: ["What the generator wants", "Generator muốn gì"],
		text: [[
			"G wants the opposite: D(G(z)) towards 1. It has no say in D(x). There are two ways to write that down.",
			"G muốn điều ngược lại: D(G(z)) tiến về 1. G không tác động được gì đến D(x). Có hai cách viết mong muốn đó thành loss.",
		]],
	},
	turns: {
		title: ["They take turns", "Hai mạng học luân phiên"],
		text: [[
			"The two losses pull in opposite directions, so the networks learn by turns. A step of training is:",
			"Hai loss kéo về hai hướng ngược nhau, nên hai mạng học lần lượt. Một bước (step) huấn luyện gồm:",
		]],
		steps: [[
			"Take a batch of real samples x, draw as many z and make fakes G(z). Update D by its loss. G is not changed.",
			"Lấy một batch mẫu thật x, sinh ngẫu nhiên chừng ấy z rồi tạo mẫu giả G(z). Cập nhật D theo loss của nó. G giữ nguyên.",
		], [
			"Make fakes from fresh z and let D judge them. Update G by its loss; the gradient comes to it through D, which is not changed.",
			"Tạo mẫu giả từ các z mới và đưa cho D chấm. Cập nhật G theo loss của nó; gradient đi xuyên qua D để tới G, còn D giữ nguyên.",
		], [
			"Begin again with the next batch.",
			"Lặp lại với batch tiếp theo.",
		]],
		after: [[
			"This run has taken {step} such steps, with {batch} real samples in each. Some recipes update D several times for one update of G.",
			"Run này đã đi {step} bước như vậy, mỗi bước {batch} mẫu thật. Có recipe cập nhật D vài lần rồi mới cập nhật G một lần.",
		]],
	},
	equilibrium: {
		title: ["Where it would end: the Nash equilibrium", "Đích đến: cân bằng Nash"],
		text: [[
			"The game is over when neither can gain by moving alone. This is a *Nash equilibrium*. It is reached when fakes are distributed exactly as real samples are. The best that D can then answer is 1/2, everywhere: D(x) = D(G(z)) = 1/2.",
			"Trò chơi kết thúc khi không bên nào có thể khá hơn bằng cách tự mình thay đổi. Đó là *cân bằng Nash* (Nash equilibrium). Nó đạt được khi mẫu giả có phân phối đúng như mẫu thật. Khi ấy câu trả lời tốt nhất của D là 1/2 ở mọi nơi: D(x) = D(G(z)) = 1/2.",
		]],
	},
	curves: {
		title: ["How to read the curves", "Đọc các đường cong thế nào"],
		items: [[
			"*The losses do not fall to zero, and should not.* Each player's loss depends on how good the other one is. Look at the pictures.",
			"*Loss không giảm về 0, và cũng không nên như vậy.* Loss của bên này phụ thuộc vào việc bên kia giỏi đến đâu. Hãy nhìn vào ảnh.",
		], [
			"*D(x) near 1 and D(G(z)) near 0*: D is winning. At the beginning that is normal; if it stays so, G learns little.",
			"*D(x) gần 1 và D(G(z)) gần 0*: D đang thắng. Lúc mới bắt đầu thì bình thường; nếu kéo dài, G học được rất ít.",
		], [
			"*Both near 1/2*: the goal, or a D that is too weak. The pictures say which.",
			"*Cả hai gần 1/2*: đã gần đích, hoặc D quá yếu. Nhìn ảnh sẽ biết là trường hợp nào.",
		], [
			"*Gradient norms* say how strongly each network is corrected. G's near 0 while D is sure: G stands still. One that grows by powers of ten: training is about to break.",
			"*Chuẩn của gradient* (gradient norm) cho biết mỗi mạng đang được chỉnh mạnh đến đâu. Của G gần 0 trong khi D rất chắc chắn: G đang đứng yên. Tăng gấp hàng chục, hàng trăm lần: việc huấn luyện sắp hỏng.",
		], [
			"*Waves* are the players running after each other. Small ones are the game itself; against growing ones a lower learning rate helps.",
			"*Dao động* là hai bên đuổi nhau. Dao động nhỏ là bản chất của trò chơi; nếu lớn dần, hãy giảm learning rate.",
		]],
	},
	collapse: {
		title: ["Mode collapse", "Mode collapse (sụp đổ mode)"],
		text: [[
			"Data have *modes*: the ten digits, say. G is asked to pass D, not to show everything. If it finds one kind of sample that passes, it may make only that kind, whatever the z: *mode collapse*. The policeman learns that note, and the forger moves to the next.",
			"Dữ liệu thường có nhiều *mode* (cụm, kiểu): chẳng hạn mười chữ số. G chỉ được yêu cầu qua mắt D chứ không phải thể hiện đủ mọi kiểu. Nếu tìm được một kiểu mẫu qua mặt được D, G có thể chỉ tạo ra kiểu đó với mọi z: đó là *mode collapse*. Khi cảnh sát nhớ mặt tờ tiền ấy, người làm tiền giả lại chuyển sang tờ khác.",
		], [
			"The losses need not show it; the pictures do. So the doctor measures how far apart a preview's samples are, beside real ones. What helps: another seed, a lower learning rate, another loss or a penalty.",
			"Loss chưa chắc cho thấy điều này, nhưng ảnh thì có. Vì vậy bác sĩ đo xem các mẫu xem trước cách nhau bao xa so với mẫu thật. Cách chữa: đổi seed, giảm learning rate, dùng loss khác hoặc thêm penalty.",
		]],
	},
};

/** What D's output is under losses other than cross-entropy. */
export const OTHER_LOSSES = {
	least_squares: [
		"This run's loss is *least squares*: D's output is a score, pulled towards 1 for real samples and 0 for fakes, $(D(x) - 1)^2 + D(G(z))^2$.",
		"Run này dùng loss *least squares*: đầu ra của D là một điểm số, được kéo về 1 với mẫu thật và 0 với mẫu giả, $(D(x) - 1)^2 + D(G(z))^2$.",
	],
	hinge: [
		"This run's loss is the *hinge loss*: D's output is a score, and D is content with real samples above 1 and fakes below −1, $max(0, 1 - D(x)) + max(0, 1 + D(G(z)))$. G wants a high score.",
		"Run này dùng *hinge loss*: đầu ra của D là một điểm số, và D hài lòng khi mẫu thật trên 1 còn mẫu giả dưới −1, $max(0, 1 - D(x)) + max(0, 1 + D(G(z)))$. G thì muốn điểm cao.",
	],
	wasserstein: [
		"This run's loss is *Wasserstein's*: D is a critic, and its output is a score without bounds. Its loss is a difference of means, $D(G(z)) - D(x)$. It can fall below 0; with a D of bounded slope it measures how far fakes are from real samples.",
		"Run này dùng loss *Wasserstein*: D đóng vai “critic” (người chấm), đầu ra là điểm số không bị chặn. Loss là hiệu của hai trung bình, $D(G(z)) - D(x)$; nó có thể nhỏ hơn 0, và khi độ dốc của D bị chặn thì nó đo mẫu giả còn cách mẫu thật bao xa.",
	],
	relativistic: [
		"This run's loss is *relativistic*: D is not asked whether a sample is real, but which of a pair is. With its scores a for the real and b for the fake one, its loss is $-log σ(a - b)$ and G's is $-log σ(b - a)$, where $σ(t) = 1 / (1 + exp(-t))$. At the equilibrium both are log 2 = {log2}.",
		"Run này dùng loss *relativistic* (tương đối): D không bị hỏi một mẫu có thật không, mà là trong một cặp thì mẫu nào thật. Với điểm a cho mẫu thật và b cho mẫu giả, loss của D là $-log σ(a - b)$ và của G là $-log σ(b - a)$, trong đó $σ(t) = 1 / (1 + exp(-t))$. Ở điểm cân bằng cả hai bằng log 2 = {log2}.",
	],
	unknown: [
		"This page does not know this run's loss. What follows is the first GAN's game.",
		"Trang này không biết run dùng loss nào. Phần dưới đây là trò chơi của GAN đầu tiên.",
	],
};

/** Sentences between the story and the numbers. */
export const NOTES = {
	intro: [
		"The story of the two networks, beside what this run's are doing now: numbers on a coloured ground are live.",
		"Câu chuyện về hai mạng, bên cạnh những gì hai mạng của run này đang làm: các số trên nền màu được cập nhật trực tiếp.",
	],
	noNumbers: [
		"This run has not logged D(x) and D(G(z)) yet.",
		"Run này chưa ghi D(x) và D(G(z)).",
	],
	scores: [
		"The log has σ of the scores under D(x) and D(G(z)). They are no probabilities here: hold them against each other, not against 1/2. The formulas below are the first GAN's.",
		"Nhật ký ghi σ của điểm số ở D(x) và D(G(z)). Với loss này chúng không phải xác suất: hãy so hai số với nhau chứ đừng so với 1/2. Các công thức dưới đây là của GAN đầu tiên.",
	],
	originalOnly: [
		"This run's loss is another one, as said above.",
		"Run này dùng loss khác, như đã nói ở trên.",
	],
	nowD: ["With this run's means of now:", "Thay các trung bình hiện tại của run này vào:"],
	loggedD: ["The log has $d_loss$ = {d_loss}.", "Nhật ký ghi $d_loss$ = {d_loss}."],
	whyOther: ["Why not the same number?", "Vì sao hai số không bằng nhau?"],
	jensen: [
		"The log has the mean of all samples' losses; above is the loss of the mean answer. The more the answers differ, the larger the former.",
		"Nhật ký ghi trung bình của loss trên mọi mẫu; còn ở trên là loss của câu trả lời trung bình. Các câu trả lời càng khác nhau thì số thứ nhất càng lớn hơn.",
	],
	halved: [
		"This recipe takes the mean over real and fake samples together: half of the sum.",
		"Recipe này lấy trung bình trên mẫu thật và mẫu giả gộp chung: bằng một nửa của tổng.",
	],
	target: [
		"Real samples have the target {target} and not 1, so that D does not become too sure of itself. A part of the first term is therefore $-(1 - {target}) log(1 - D(x))$.",
		"Mẫu thật có nhãn mục tiêu {target} chứ không phải 1, để D không trở nên quá tự tin. Vì thế số hạng đầu có thêm phần $-(1 - {target}) log(1 - D(x))$.",
	],
	reckoned: ["So reckoned, the formula gives {reckoned}.", "Tính như vậy thì công thức cho {reckoned}."],
	minimaxTitle: ["As the exact opposite of D's: minimax", "Đúng bằng cái ngược lại của D: minimax"],
	minimax: [
		"G makes small what D makes large. Now: $log(1 - {d_fake})$ = {g_minimax}.",
		"D làm lớn cái gì thì G làm nhỏ cái đó. Hiện tại: $log(1 - {d_fake})$ = {g_minimax}.",
	],
	nonSaturatingTitle: ["With the same goal, and stronger where it matters: non-saturating", "Cùng đích nhưng mạnh hơn ở chỗ cần: non-saturating"],
	nonSaturating: [
		"G makes its own chance of passing large. Now: $-log {d_fake}$ = {g_non_saturating}.",
		"G làm lớn khả năng qua mặt của chính mình. Hiện tại: $-log {d_fake}$ = {g_non_saturating}.",
	],
	gradients: [
		"Why two, if the goal is the same? Because of the gradient, which is all that G gets to know. By D's output before its sigmoid, the first loss has a gradient of size $D(G(z))$, the second of size $1 - D(G(z))$. While D is sure of the fakes, D(G(z)) is nearly 0: the first gradient vanishes just when G is worst, and the second is near its largest.",
		"Đích như nhau, sao cần hai cách? Vì gradient, thứ duy nhất G được biết. Tính theo đầu ra của D trước sigmoid, loss thứ nhất có gradient cỡ $D(G(z))$, loss thứ hai cỡ $1 - D(G(z))$. Khi D chắc chắn về các mẫu giả, D(G(z)) gần bằng 0: gradient thứ nhất triệt tiêu đúng lúc G kém nhất, còn gradient thứ hai lại gần mức lớn nhất.",
	],
	gradientsNow: [
		"Now the first is {d_fake} and the second {pull}: the second teaches {ratio} times as strongly.",
		"Hiện tại gradient thứ nhất là {d_fake}, gradient thứ hai là {pull}: loss thứ hai dạy mạnh gấp {ratio} lần.",
	],
	usesNonSaturating: ["This run uses the second. The log has $g_loss$ = {g_loss}.", "Run này dùng loss thứ hai. Nhật ký ghi $g_loss$ = {g_loss}."],
	usesMinimax: ["This run uses the first. The log has $g_loss$ = {g_loss}.", "Run này dùng loss thứ nhất. Nhật ký ghi $g_loss$ = {g_loss}."],
	usesOther: ["This run uses neither. The log has $g_loss$ = {g_loss}.", "Run này không dùng loss nào trong hai loss này. Nhật ký ghi $g_loss$ = {g_loss}."],
	atEquilibrium: [
		"There, in the first GAN's game, D's loss is $-log 1/2 - log 1/2 = 2 log 2$ = {log4}, and G's, by the second way, is log 2 = {log2}; by the first, −{log2}.",
		"Ở đó, trong trò chơi của GAN đầu tiên, loss của D là $-log 1/2 - log 1/2 = 2 log 2$ = {log4}, còn loss của G theo cách thứ hai là log 2 = {log2}, theo cách thứ nhất là −{log2}.",
	],
	equilibriumHalved: ["As this recipe logs the half, its $d_loss$ would be {log2}.", "Vì recipe này ghi một nửa, $d_loss$ của nó sẽ là {log2}."],
	equilibriumTarget: [
		"And with the target {target}, the best D would answer not 1/2 but {target_half} there, and its logged loss would be {target_loss}.",
		"Và với nhãn mục tiêu {target}, D tốt nhất sẽ trả lời {target_half} chứ không phải 1/2, khi đó loss ghi trong nhật ký sẽ là {target_loss}.",
	],
	distance: [
		"Now D(x) is {off_real} from 1/2 and D(G(z)) is {off_fake}. {verdict}",
		"Hiện tại D(x) cách 1/2 là {off_real}, còn D(G(z)) cách 1/2 là {off_fake}. {verdict}",
	],
	verdictFar: ["D is nearly always right: the game is far from its end.", "D hầu như luôn đúng: trò chơi còn xa mới kết thúc."],
	verdictMiddle: ["D has the better of it, but G's fakes pass now and then.", "D đang chiếm ưu thế, nhưng mẫu giả của G thỉnh thoảng vẫn lọt."],
	verdictNear: ["D can hardly tell real from fake; nor can a weak D, so look at the pictures.", "D hầu như không phân biệt nổi thật giả; một D yếu cũng vậy, nên hãy nhìn ảnh."],
	seldom: [
		"Few runs arrive there and none stays: both networks go on taking steps. A run is good when its pictures are, and when measures such as the Fréchet distance say so.",
		"Rất ít run tới được đó và không run nào đứng yên ở đó: cả hai mạng vẫn tiếp tục bước. Một run tốt là khi ảnh của nó tốt và các phép đo như khoảng cách Fréchet cũng nói như vậy.",
	],
	parameters: ["In this run: {parameters}.", "Trong run này: {parameters}."],
};

/** What the figures say. */
export const FIGURES = {
	noise: ["noise z", "nhiễu z"],
	generator: ["generator", "generator"],
	discriminator: ["discriminator", "discriminator"],
	fake: ["fake G(z)", "giả G(z)"],
	real: ["real x", "thật x"],
	data: ["data", "dữ liệu"],
	verdict: ["real or fake?", "thật hay giả?"],
	lesson: ["gradient: what gave it away", "gradient: lộ ở chỗ nào"],
	isFake: ["0 fake", "0 giả"],
	isReal: ["1 real", "1 thật"],
	networksAlt: [
		"Noise goes into the generator, which makes fakes. The discriminator sees fakes and real samples and says how probably each is real. The gradient goes back from it to the generator.",
		"Nhiễu đi vào generator để tạo mẫu giả. Discriminator nhận mẫu giả và mẫu thật rồi cho biết xác suất là thật. Gradient đi ngược từ discriminator về generator.",
	],
	scaleAlt: ["A scale from 0 to 1 with 1/2 marked: D(x) at {d_real}, D(G(z)) at {d_fake}.", "Thang từ 0 đến 1 có đánh dấu 1/2: D(x) ở {d_real}, D(G(z)) ở {d_fake}."],
	lossesAlt: [
		"Both losses of G over D(G(z)). Near 0, log(1 - D(G(z))) is flat and -log D(G(z)) is steep.",
		"Hai loss của G theo D(G(z)). Gần 0, log(1 - D(G(z))) nằm ngang còn -log D(G(z)) dốc đứng.",
	],
	lossesNow: ["D(G(z)) is now at {d_fake}.", "D(G(z)) hiện ở {d_fake}."],
};
