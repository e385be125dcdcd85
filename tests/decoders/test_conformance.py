import pytest
import torch

from leworld.decoders import CrossAttentionDecoder, load_decoder, save_decoder
from tests.decoders import checks
from tests.decoders.cases import DECODERS
from tests.decoders.wrong import WRONG, Right


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", DECODERS)
def test_conforms(name: str, check) -> None:
    check(DECODERS[name])


def rejecting(make) -> list[str]:
    caught = []
    for check in checks.ALL:
        try:
            check(make)
        except AssertionError:
            caught.append(check.__name__)
    return caught


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_decoder_is_rejected(wrong) -> None:
    assert WRONG[wrong] in rejecting(wrong)


def test_the_right_one_that_they_derive_from_is_not() -> None:
    assert not rejecting(Right)


@pytest.mark.parametrize("name", DECODERS)
def test_rebuilds_from_its_config(name: str) -> None:
    decoder = DECODERS[name]()
    arguments = decoder.config.to_json()
    assert arguments.pop("class") == "CrossAttentionDecoder"
    twin = CrossAttentionDecoder(**arguments)
    twin.load_state_dict(decoder.state_dict(), strict=True)
    z = checks.embeddings()
    assert torch.equal(twin(z), decoder(z))


@pytest.mark.parametrize("name", DECODERS)
def test_a_folder_brings_it_back(name: str, tmp_path) -> None:
    decoder = DECODERS[name]()
    path = save_decoder(decoder, tmp_path / "new" / "decoder")
    again = load_decoder(path)
    z = checks.embeddings()
    assert torch.equal(again(z), decoder(z))
    assert again.config == decoder.config
    assert not again.training
    assert all(parameter.requires_grad for parameter in again.parameters())
    twice = save_decoder(again, tmp_path / "twice")
    assert all((twice / file.name).read_bytes() == file.read_bytes() for file in path.iterdir())


@pytest.mark.parametrize("name", ["one-key", "four-keys"])
def test_compiles_without_a_graph_break(name: str) -> None:
    decoder = DECODERS[name]().eval()
    compiled = torch.compile(decoder, fullgraph=True, backend="aot_eager")
    z = checks.embeddings()
    torch.testing.assert_close(compiled(z), decoder(z), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["one-key", "four-keys"])
def test_exports_with_a_dynamic_batch(name: str) -> None:
    decoder = DECODERS[name]().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(decoder, (checks.embeddings(3),), dynamic_shapes=({0: batch},))
    for count in (1, 7):
        z = checks.embeddings(count)
        torch.testing.assert_close(program.module()(z), decoder(z), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
def test_half_precision_is_close(name: str) -> None:
    decoder = DECODERS[name]().eval()
    z = checks.embeddings()
    exact = decoder(z)
    half = decoder.bfloat16()(z.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.05 * exact.norm()
