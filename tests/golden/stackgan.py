"""Makes tests/golden/stackgan.json: small networks and losses of StackGAN, and three steps of either stage.

Written from Zhang et al. 2017 (sections 3.2 to 3.4) and the published code with PyTorch's own modules. Stage I: 16 pixels, 8
channels next to the picture, z of 3 entries, conditions of 4; Stage II: 32 pixels, one residual block; the critics: 4 channels in
their first layer. A convolution before a norm has no bias; norms are over the batch with epsilon 1e-5 and begin as nothing but the norm.
3 pictures, whose sentences are vectors of 384 entries, of which the layers see sqrt(384) times as much.

    condition  c = mu + exp(log sigma) * epsilon, both the halves of LeakyReLU(FC(text))
    kl         the mean over all entries of -log sigma + (exp(2 log sigma) + mu^2 - 1) / 2                        equation 2
    d_loss     -mean log D(x, t) - (mean log(1 - D(x, wrong t)) + mean log(1 - D(G(z, t), t))) / 2
    g_loss     -mean log D(G(z, t), t), to which KL_WEIGHT * kl is added
    r1         1.5 / 2 times the mean over pictures of |gradient of D(x, t) by x|^2, with x real
    contrast   half the cross entropy of cosines / 0.1 in rows with the diagonal, and half that in the columns of the first three;
               the cosines are those of FC(mean over pixels of what D sees) and FC(text) of the right sentences and three others
               (wave(shape, 0.53)), 128 entries each (Zhang et al. 2021, equation 3)

Parameters come from tests/golden/formula.py, in the order in which the modules are listed below; a linear weight is
[inputs, outputs] with scale 1.5 / sqrt(inputs). Weights of convolutions and linear layers are that times GAIN, so that no logit is
large. Pictures are wave(shape, 0.017), vectors of sentences and of wrong ones wave(shape, 0.31) and wave(shape, 0.47) divided by
sqrt(384), what a seed draws wave(shape, 0.61) for D and wave(shape, 0.83) for G: z, then the epsilon of each stage. The small
pictures of Stage I are averages of squares of pixels.

`contrast` has the third loss and the gradients of d_loss + contrast, of the critics without norm and with these two layers at
their end; the others have none.

`batch norm` has the critics above; in those of `without norm` every convolution has a bias instead. `first` and `second`: pictures in training, logits, losses, of each parameter's gradient the norm and the product with
wave(shape, 0.71). `steps`: three steps by Adam with the rate 2e-4 and betas 0.5 and 0.999 from there, G judged by the D that has just
learned, and G's running statistics following what is drawn for G alone; Stage II takes
Stage I's pictures by its running statistics, and so does `sampled` at the end of the third. Without norm the first and the third step
have R1, its weight 0.3 doubled.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/stackgan.py
"""

import copy
import json
import math
from pathlib import Path

import torch
from formula import filled, gradients, parameters, rounded, wave
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
TEXT, LATENT, CONDITION, WIDTH, D_WIDTH, SMALL, LARGE = 384, 3, 4, 8, 4, 16, 32
KL_WEIGHT, GAIN, N = 2.0, 0.5, 3


def conv(inputs, outputs, kernel=3, stride=1, padding=None, bias=False):
    padding = kernel // 2 if padding is None else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)


class Residual(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.layers = nn.ModuleList(conv(a, b, k) for a, b, k in plan)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in plan)

    def forward(self, x, act):
        h = x
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms)):
            h = norm(layer(h))
            if i + 1 < len(self.layers):
                h = act(h)
        return act(x + h)


def narrow(c):
    return Residual([(c, c // 4, 1), (c // 4, c // 4, 3), (c // 4, c, 3)])


class Augmentation(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(TEXT, 2 * CONDITION)

    def forward(self, text, epsilon):
        mu, log = F.leaky_relu(self.layer(text * math.sqrt(TEXT)), 0.2).chunk(2, 1)
        kl = (-log + 0.5 * (torch.exp(2 * log) + mu**2 - 1)).mean()
        return mu + torch.exp(log) * epsilon, kl


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.augmentation = Augmentation()
        self.joint = nn.Linear(CONDITION + LATENT, 2 * WIDTH * 16)
        self.joint_norm = nn.BatchNorm1d(2 * WIDTH * 16)
        self.smallest = narrow(2 * WIDTH)
        self.ups = nn.ModuleList([conv(2 * WIDTH, WIDTH), conv(WIDTH, 3, bias=True)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(WIDTH)])
        self.next = narrow(WIDTH)

    def forward(self, text, z, epsilon):
        c, kl = self.augmentation(text, epsilon)
        h = self.joint_norm(self.joint(torch.cat([c, z], 1))).reshape(-1, 2 * WIDTH, 4, 4)
        h = self.smallest(h, F.relu)
        h = self.next(self.norms[0](self.ups[0](F.interpolate(h, scale_factor=2))), F.relu)
        return torch.tanh(self.ups[1](F.interpolate(h, scale_factor=2))), kl


class Second(nn.Module):
    def __init__(self):
        super().__init__()
        w = WIDTH
        self.augmentation = Augmentation()
        self.encode = nn.ModuleList([conv(3, w, bias=True), conv(w, 2 * w, 4, 2, 1), conv(2 * w, 4 * w, 4, 2, 1)])
        self.encode_norms = nn.ModuleList([nn.BatchNorm2d(2 * w), nn.BatchNorm2d(4 * w)])
        self.joint = conv(4 * w + CONDITION, 4 * w)
        self.joint_norm = nn.BatchNorm2d(4 * w)
        self.blocks = nn.ModuleList([Residual([(4 * w, 4 * w, 3), (4 * w, 4 * w, 3)])])
        self.ups = nn.ModuleList([conv(4 * w, 2 * w), conv(2 * w, w), conv(w, w // 2)])
        self.ups_norms = nn.ModuleList([nn.BatchNorm2d(2 * w), nn.BatchNorm2d(w), nn.BatchNorm2d(w // 2)])
        self.last = conv(w // 2, 3, bias=True)

    def forward(self, small, text, epsilon):
        c, kl = self.augmentation(text, epsilon)
        h = F.relu(self.encode[0](small))
        for layer, norm in zip(self.encode[1:], self.encode_norms):
            h = F.relu(norm(layer(h)))
        h = torch.cat([h, c[:, :, None, None].expand(-1, -1, *h.shape[2:])], 1)
        h = self.blocks[0](F.relu(self.joint_norm(self.joint(h))), F.relu)
        for layer, norm in zip(self.ups, self.ups_norms):
            h = F.relu(norm(layer(F.interpolate(h, scale_factor=2))))
        return torch.tanh(self.last(h)), kl


class Layer(nn.Module):
    """A convolution and its norm, where there is one."""

    def __init__(self, inputs, outputs, kernel=3, stride=1, padding=None, norm=True):
        super().__init__()
        self.conv = conv(inputs, outputs, kernel, stride, padding, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x):
        return self.norm(self.conv(x))


class Critic(nn.Module):
    def __init__(self, side, norm, contrast=False):
        super().__init__()
        halvings = int(math.log2(side // 4))
        widths = [D_WIDTH * 2**i for i in range(halvings)]
        top = widths[-1]
        layers = [Layer(3, widths[0], 4, 2, 1, norm=False)]
        self.layers = nn.ModuleList(layers + [Layer(a, b, 4, 2, 1, norm) for a, b in zip(widths, widths[1:])])
        plan = [(top, top // 4, 1), (top // 4, top // 4, 3), (top // 4, top, 3)]
        self.residual = nn.ModuleList(Layer(a, b, k, norm=norm) for a, b, k in plan)
        self.text = nn.Linear(TEXT, CONDITION)
        self.joint = Layer(top + CONDITION, top, 1, norm=norm)
        self.last = conv(top, 1, 4, padding=0, bias=True)
        if contrast:
            self.compared = nn.ModuleList([nn.Linear(top, 128), nn.Linear(TEXT, 128)])

    def contrast(self, seen, text, others):
        a = F.normalize(self.compared[0](seen.mean((2, 3))))
        b = F.normalize(self.compared[1](torch.cat([text, others]) * math.sqrt(TEXT)))
        cosines, own = a @ b.T / 0.1, torch.arange(N)
        return (F.cross_entropy(cosines, own) + F.cross_entropy(cosines[:, :N].T, own)) / 2

    def seen(self, x):
        act = lambda h: F.leaky_relu(h, 0.2)
        h = act(self.layers[0](x))
        for layer in self.layers[1:-1]:
            h = act(layer(h))
        x = self.layers[-1](h)
        h = act(self.residual[1](act(self.residual[0](x))))
        return act(x + self.residual[2](h))

    def judged(self, seen, text):
        t = F.leaky_relu(self.text(text * math.sqrt(TEXT)), 0.2)[:, :, None, None].expand(-1, -1, 4, 4)
        return self.last(F.leaky_relu(self.joint(torch.cat([seen, t], 1)), 0.2)).flatten(1)


def r1(critic, real, text, gamma):
    real = real.clone().requires_grad_()
    logits = critic.judged(critic.seen(real), text)
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gamma / 2 * gradient.square().sum((1, 2, 3)).mean()


def softplus(x):
    return F.softplus(x).mean()


def d_loss(critic, real, fake, text, wrong):
    seen = critic.seen(real)
    on_real = critic.judged(seen, text)
    on_wrong = critic.judged(seen, wrong)
    on_fake = critic.judged(critic.seen(fake), text)
    return softplus(-on_real) + (softplus(on_wrong) + softplus(on_fake)) / 2, [on_real, on_wrong, on_fake]


def data():
    pictures = wave([N, 3, LARGE, LARGE], 0.017)
    text, wrong = [wave([N, TEXT], rate) / math.sqrt(TEXT) for rate in (0.31, 0.47)]
    return pictures, text.float().double(), wrong.float().double()


def chances(rate):
    drawn = wave([N, LATENT + 2 * CONDITION], rate)
    return drawn[:, :LATENT], drawn[:, LATENT : LATENT + CONDITION], drawn[:, LATENT + CONDITION :]


class Stage:
    """Networks in training, and how they draw."""

    def __init__(self, is_first, norm):
        self.is_first = is_first
        self.first = filled(First(), GAIN)
        self.net = self.first if is_first else filled_after(self.first)
        self.critic = filled(Critic(SMALL if is_first else LARGE, norm), GAIN)

    def for_critic(self, text, rate):
        """For D, which moves no running statistics of G."""
        kept = copy.deepcopy(self.net.state_dict())
        with torch.no_grad():
            fake, _ = self.drawn(text, rate)
        self.net.load_state_dict(kept)
        return fake

    def drawn(self, text, rate):
        z, one, two = chances(rate)
        if self.is_first:
            return self.first(text, z, one)
        self.first.eval()
        with torch.no_grad():
            small, _ = self.first(text, z, one)
        return self.net(small, text, two)


class Both(nn.Module):
    """The parameters of both stages in their order."""

    def __init__(self):
        super().__init__()
        self.first = First()
        self.second = Second()


def filled_after(first):
    both = filled(Both(), GAIN)
    first.load_state_dict(both.first.state_dict())
    return both.second


def golden(is_first, norm):
    pictures, text, wrong = data()
    real = F.avg_pool2d(pictures, 2) if is_first else pictures
    stage = Stage(is_first, norm)
    fake, kl = stage.drawn(text, 0.61)
    loss, logits = d_loss(stage.critic, real, fake.detach(), text, wrong)
    on_fake = stage.critic.judged(stage.critic.seen(fake), text)
    g_loss = softplus(-on_fake)
    found = {
        "fake": fake[:, :, ::5, ::5].flatten().tolist(),
        "kl": kl.item(),
        "logits": torch.cat(logits).flatten().tolist(),
        "d_loss": loss.item(),
        "d_gradients": gradients(stage.critic, loss),
        "r1": r1(stage.critic, real, text, 1.5).item(),
        "r1_gradients": gradients(stage.critic, loss + r1(stage.critic, real, text, 1.5)),
        "g_loss": g_loss.item(),
        "g_gradients": gradients(stage.net, g_loss + KL_WEIGHT * kl),
    }
    if not norm:
        critic = filled(Critic(SMALL if is_first else LARGE, norm, contrast=True), GAIN)
        others = wave([N, TEXT], 0.53) / math.sqrt(TEXT)
        contrast = critic.contrast(critic.seen(real), text, others.float().double())
        loss, _ = d_loss(critic, real, fake.detach(), text, wrong)
        found["contrast"] = {"loss": contrast.item(), "gradients": gradients(critic, loss + contrast)}
    stage = Stage(is_first, norm)
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), 1e-8) for net in (stage.critic, stage.net)]
    steps = []
    for step in range(3):
        fake = stage.for_critic(text, 0.61)
        loss, _ = d_loss(stage.critic, real, fake, text, wrong)
        adams[0].zero_grad()
        penalty = r1(stage.critic, real, text, 0.3 * 2) if not norm and step % 2 == 0 else 0
        (loss + penalty).backward()
        adams[0].step()
        fake, kl = stage.drawn(text, 0.83)
        g_loss = softplus(-stage.critic.judged(stage.critic.seen(fake), text))
        adams[1].zero_grad()
        (g_loss + KL_WEIGHT * kl).backward()
        adams[1].step()
        steps.append([loss.item(), g_loss.item(), kl.item()])
    stage.net.eval()
    with torch.no_grad():
        sampled, _ = stage.drawn(text, 0.61)
    return found | {"steps": steps, "sampled": sampled[:, :, ::5, ::5].flatten().tolist()}


def main():
    stages = lambda norm: {"first": golden(True, norm), "second": golden(False, norm)}
    found = rounded({"batch norm": stages(True), "without norm": stages(False)})
    with open(Path(__file__).with_suffix(".json"), "w") as file:
        json.dump(found, file)
        file.write("\n")


if __name__ == "__main__":
    main()
