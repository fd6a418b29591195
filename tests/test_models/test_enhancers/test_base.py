"""What BaseEnhancer promises: input checks, small pictures, float32, weights."""

import io
import pickle

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_checkpoint
from toys import Invert, LearnedGain, MeanModel, Nearest

from llv.models import EnhancementModel
from llv.models.enhancers import BaseEnhancer, Enhancement


class Needs8(BaseEnhancer):
    """Refuses what is smaller than 8, and doubles."""

    minimum_size = 8
    scale = 2

    def enhance(self, images):
        assert min(images.shape[-2:]) >= 8
        grown = images.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return Enhancement(grown, dict(map=images, number=images.mean()))


@pytest.mark.parametrize('size', [(1, 1), (3, 20), (8, 8), (11, 5)])
def test_small_pictures_are_padded_and_cropped_back(size):
    images = torch.rand(2, 3, *size)
    enhancement = Needs8()(images)
    expected = images.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert torch.equal(enhancement.image, expected)
    assert torch.equal(enhancement.maps['map'], images)


@pytest.mark.parametrize(
    'images,error',
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), TypeError),
        ('picture', TypeError),
        (torch.zeros(3, 4, 4), ValueError),
        (torch.zeros(1, 1, 4, 4), ValueError),
        (torch.zeros(1, 3, 0, 4), ValueError),
    ],
)
def test_other_inputs_are_refused(images, error):
    with pytest.raises(error, match='`images` must be'):
        Invert()(images)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_point_gives_float32(dtype):
    images = torch.rand(1, 3, 4, 4).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        image = Invert()(images).image
    assert torch.equal(image, 1 - images.float())


CASTS = [
    lambda model: model.half(),
    lambda model: model.bfloat16(),
    lambda model: model.double(),
    lambda model: model.to(torch.float16),
    lambda model: model.type(torch.float16),
]


@pytest.mark.parametrize('cast', CASTS)
@pytest.mark.parametrize(
    'config', [dict(type='llv.RUAS', version='RUAS_A'), dict(type='llv.FixedGain', gain=3.0)]
)
def test_an_enhancer_stays_in_float32_when_its_model_is_cast(cast, config):
    base = dict(type='mmengine.ImgDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)
    model = MeanModel(dict(type='llv.EnhancedDataPreprocessor', enhancer=config, base=base)).eval()
    enhancer = model.data_preprocessor.enhancer
    picture = torch.rand(1, 3, 6, 7)
    before = {name: tensor.clone() for name, tensor in enhancer.state_dict().items()}
    with torch.no_grad():
        image = enhancer(picture).image
        cast(model)
        assert model.p.dtype in (torch.float16, torch.bfloat16, torch.float64)
        assert all(torch.equal(t, before[name]) for name, t in enhancer.state_dict().items())
        assert all(t.dtype == before[name].dtype for name, t in enhancer.state_dict().items())
        assert torch.equal(enhancer(picture).image, image)
        assert model.val_step(dict(inputs=[torch.zeros(3, 4, 4, dtype=torch.uint8)]))[0].isfinite()


def test_an_enhancer_follows_its_model_to_another_device():
    model = EnhancementModel(dict(type='llv.RUAS'))
    kept = model.to(torch.float32).enhancer.scene.t_min
    assert kept.dtype == torch.float32 and kept.device.type == 'cpu'
    for moved in (model.to('meta'), EnhancementModel(dict(type='llv.RUAS')).to('meta', torch.half)):
        tensors = moved.enhancer.state_dict()
        assert {tensor.device.type for tensor in tensors.values()} == {'meta'}
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.uint8}
    twin = ExponentialMovingAverage(LearnedGain()).half()
    assert twin.module.w.dtype == torch.float32


def test_no_scene_loss_is_said_so():
    with pytest.raises(TypeError, match='`Invert` has no scene loss'):
        Invert().loss(Enhancement(torch.zeros(1)), torch.zeros(1))


@pytest.mark.parametrize('prefix', ['', 'enhancer.', 'data_preprocessor.enhancer.'])
@pytest.mark.parametrize('nested', [True, False])
def test_weights_come_from_any_checkpoint_that_holds_the_enhancer(tmp_path, prefix, nested):
    tensors = {prefix + 'w': torch.tensor([2.5])}
    if prefix:
        tensors['backbone.weight'] = torch.zeros(3)
    torch.save(dict(state_dict=tensors) if nested else tensors, tmp_path / 'w.pth')
    assert LearnedGain(weights=tmp_path / 'w.pth').w.item() == 2.5


@pytest.mark.parametrize(
    'tensors',
    [dict(v=torch.zeros(1)), dict(w=torch.zeros(2)), dict(w=torch.zeros(1), v=torch.zeros(1))],
)
def test_weights_of_another_network_are_refused(tmp_path, tensors):
    torch.save(tensors, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='other.pth.*another network than this `LearnedGain`'):
        LearnedGain(weights=tmp_path / 'other.pth')


def test_a_missing_file_is_an_error_until_a_checkpoint_fills_the_enhancer(tmp_path):
    gone = str(tmp_path / 'gone.pth')
    images = torch.rand(1, 3, 2, 2)
    enhancer = LearnedGain(weights=gone)
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        enhancer(images)
    enhancer.load_state_dict({}, strict=False)
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        enhancer(images)
    enhancer.load_state_dict(dict(w=torch.tensor([1.0])))
    assert torch.equal(enhancer(images).image, images)


def test_mmengine_fills_a_missing_file_deep_inside_a_model(tmp_path):
    model = EnhancementModel(dict(type='llv.LearnedGain', weights=str(tmp_path / 'gone.pth')))
    with pytest.raises(FileNotFoundError):
        model([torch.rand(3, 2, 2)])
    torch.save({'enhancer.w': torch.tensor([1.0])}, tmp_path / 'trained.pth')
    load_checkpoint(model, str(tmp_path / 'trained.pth'))
    picture = torch.rand(3, 2, 2)
    assert torch.equal(model([picture])[0], picture)


def test_files_that_would_run_code_are_refused_and_do_not(tmp_path):
    marker = tmp_path / 'ran'

    class Malicious:
        def __reduce__(self):
            return open, (str(marker), 'w')

    buffer = io.BytesIO()
    torch.save(dict(w=torch.zeros(1), bad=Malicious()), buffer)
    (tmp_path / 'bad.pth').write_bytes(buffer.getvalue())
    (tmp_path / 'bad.pkl').write_bytes(pickle.dumps(Malicious()))
    for name in ('bad.pth', 'bad.pkl'):
        with pytest.raises(ValueError, match=name):
            LearnedGain(weights=tmp_path / name)
    assert not marker.exists()


def test_nearest_scale():
    assert Nearest(4)(torch.rand(1, 3, 2, 3)).image.shape == (1, 3, 8, 12)
