import pytest
import torch

from assets.translation.image_pool import ImagePool


def _image(value: float) -> torch.Tensor:
    return torch.full((1, 1, 2, 2), value)


def _ask(pool: ImagePool, values: range, generator: torch.Generator) -> list[float]:
    return [pool.query(_image(float(value)), generator)[0, 0, 0, 0].item() for value in values]


def test_until_full_the_pool_returns_what_it_stores() -> None:
    pool, generator = ImagePool(50), torch.Generator().manual_seed(0)
    assert _ask(pool, range(50), generator) == [float(value) for value in range(50)]
    assert len(pool) == 50


def test_full_pool_returns_a_past_image_about_half_the_time() -> None:
    pool, generator = ImagePool(50), torch.Generator().manual_seed(0)
    _ask(pool, range(50), generator)
    returned = _ask(pool, range(50, 1050), generator)
    past = sum(value != asked for value, asked in zip(returned, range(50, 1050), strict=True))
    # Binomial(1000, 1/2): five standard deviations are 79.
    assert abs(past - 500) < 79
    assert len(pool) == 50


def test_past_image_leaves_the_pool_and_the_new_one_takes_its_place() -> None:
    pool, generator = ImagePool(1), torch.Generator().manual_seed(0)
    returned = _ask(pool, range(40), generator)
    stored = pool.state()["images"][0, 0, 0, 0].item()
    # Every image is returned exactly once, except the one still stored; the first was returned on being stored.
    assert sorted([*returned, stored]) == sorted([0.0, *map(float, range(40))])


def test_stored_images_are_detached_copies() -> None:
    pool, generator = ImagePool(2), torch.Generator().manual_seed(0)
    image = _image(1.0).requires_grad_()
    assert not pool.query(image, generator).requires_grad
    with torch.no_grad():
        image.fill_(9.0)
    assert pool.state()["images"].max() == 1


def test_capacity_zero_returns_the_query() -> None:
    pool, generator = ImagePool(0), torch.Generator().manual_seed(0)
    assert _ask(pool, range(9), generator) == [float(value) for value in range(9)]
    assert pool.state() == {}


@pytest.mark.parametrize("stored", [0, 2, 3])
def test_restored_pool_goes_on_alike(stored: int) -> None:
    pool, generator = ImagePool(3), torch.Generator().manual_seed(0)
    _ask(pool, range(stored), generator)
    copy = ImagePool(3)
    copy.restore(pool.state(), torch.device("cpu"))
    ahead = [_ask(p, range(10, 30), torch.Generator().manual_seed(5)) for p in (pool, copy)]
    assert ahead[0] == ahead[1]
