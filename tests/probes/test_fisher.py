import pytest
import torch

from raysep.probes.fisher import Fisher, diagonal_fisher
from raysep.probes.gradients import reference_gradient
from raysep.separators import registry


@pytest.mark.parametrize("model", ["openunmix-joint", "openunmix"])
def test_vmap_equals_the_plain_loop(model, small_network, segments):
    network = small_network(model=model).double()
    mixtures, targets = (part.double() for part in segments(5))
    fast = diagonal_fisher(network, mixtures, targets, method="vmap", chunk=2)
    slow = diagonal_fisher(network, mixtures, targets, method="loop")
    assert fast.count == slow.count == 5
    for name in slow.sum:
        scale = slow.sum[name].abs().max()
        torch.testing.assert_close(fast.sum[name], slow.sum[name], rtol=1e-10, atol=float(1e-10 * scale))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name in ("hdemucs", "mel-band-roformer", "scnet")))
        for name in sorted(registry.MODELS)
    ],
)
@pytest.mark.slow
def test_of_every_network_it_is_the_sum_of_squares_by_hand(model, network_of_any_kind, segments):
    """The oracle knows nothing of ours but the network: a sample at a time through autograd, squared and added."""
    network = network_of_any_kind(model).double()
    mixtures, targets = (part.double() for part in segments(3, seed=5))
    expected = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for mixture, target in zip(mixtures, targets, strict=True):
        network.zero_grad()
        ((network(mixture[None]) - network.magnitude(target[None])).square().mean()).backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                expected[name] += parameter.grad.square()
    found = diagonal_fisher(network, mixtures, targets)
    for name, value in expected.items():
        torch.testing.assert_close(found.sum[name], value, rtol=1e-10, atol=float(1e-10 * value.abs().max()))


def test_it_is_the_square_of_each_gradient_not_of_the_batchs(network, segments):
    mixtures, targets = segments(4)
    fisher = diagonal_fisher(network, mixtures, targets)
    expected = {}
    for i in range(4):
        network.zero_grad()
        estimate, target = network(mixtures[i : i + 1]), network.magnitude(targets[i : i + 1])
        (estimate - target).square().mean().backward()
        for name, parameter in network.named_parameters():
            expected[name] = expected.get(name, 0) + parameter.grad.double().square()
    batch = reference_gradient(network, [(mixtures, targets)])
    for name, value in expected.items():
        torch.testing.assert_close(fisher.sum[name], value, rtol=1e-4, atol=1e-12)
    assert not torch.allclose(fisher.sum["fc2.weight"], batch.sum["fc2.weight"].square(), rtol=0.1)


def test_shards_merge_to_the_whole(network, segments):
    mixtures, targets = segments(4)
    whole = diagonal_fisher(network, mixtures, targets)
    merged = diagonal_fisher(network, mixtures[:1], targets[:1]).merge(
        diagonal_fisher(network, mixtures[1:], targets[1:])
    )
    assert merged.count == 4
    for name in whole.sum:
        torch.testing.assert_close(merged.mean()[name], whole.mean()[name], rtol=1e-12, atol=0)
    again = Fisher.from_bytes(merged.to_bytes())
    assert all(torch.equal(again.sum[name], merged.sum[name]) for name in whole.sum)


def test_batch_statistics_and_dropout_play_no_part(network, segments):
    mixtures, targets = segments(3)
    network.train()
    in_training = diagonal_fisher(network, mixtures, targets)
    network.eval()
    in_eval = diagonal_fisher(network, mixtures, targets)
    assert all(torch.equal(in_training.sum[name], in_eval.sum[name]) for name in in_eval.sum)


def test_unknown_method_is_refused(network, segments):
    with pytest.raises(ValueError, match="method"):
        diagonal_fisher(network, *segments(1), method="fast")
