"""Shares as integer weights: exact where possible, near otherwise, never nothing for a side that has a share."""

from hypothesis import given
from hypothesis import strategies as st

from cutover.aws.weights import ALB_LARGEST, ROUTE53_LARGEST, remark, share_of, weights_for
from cutover.core.share import Share

shares = st.integers(0, 10_000).map(lambda hundredths: Share.of(str(hundredths / 100)))
scales = st.sampled_from([ALB_LARGEST, ROUTE53_LARGEST])


@given(shares, scales)
def test_weights_stay_on_the_scale_and_never_lose_a_side(share: Share, largest: int) -> None:
    blue, green = weights_for(share, largest)
    assert 0 <= min(blue, green)
    assert max(blue, green) <= largest
    assert (green == 0, blue == 0) == (share.percent == 0, share.percent == 100)
    assert abs(float(Share.of_weights(blue, green).percent - share.percent)) <= max(100 / largest, 0.01)


@given(shares, scales)
def test_what_is_written_reads_back_as_what_was_meant(share: Share, largest: int) -> None:
    assert share_of(weights_for(share, largest), (share,), largest) == share


@given(st.integers(0, 100), scales)
def test_whole_percents_are_the_weights(percent: int, largest: int) -> None:
    assert weights_for(Share.of(percent), largest) == (100 - percent, percent)
    assert remark(Share.of(percent), largest) == ""


def test_foreign_weights_are_read_as_their_share() -> None:
    assert share_of((1, 1), (Share.of(10),), ALB_LARGEST) == Share.of(50)
    assert share_of((999, 1), (Share.of(0),), ALB_LARGEST) == Share.of("0.1")
