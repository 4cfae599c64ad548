"""What holds for every sequence of orders on every tape: money and shares are conserved, caps and limits are kept."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalyst_assets.simulator.venue.orders import ExchangeRefusal
from catalyst_assets.simulator.worlds.pricepath import micros
from catalyst_assets_tests.simulator.handmade import exchange, ny, order, tape

MINUTES = 12
_cents = st.integers(9000, 11000)


@st.composite
def bars(draw):
    rows = []
    for _ in range(MINUTES):
        o, a, b, c = (draw(_cents) / 100 for _ in range(4))
        rows.append((o, max(o, a, b, c), min(o, a, b, c), c, draw(st.integers(0, 5000))))
    return rows


def price(draw):
    return str(Decimal(draw(_cents)) / 100)


@st.composite
def requests(draw):
    kind = draw(st.sampled_from(["market", "limit", "stop", "bracket", "short_bracket", "oco", "oto"]))
    side, qty = draw(st.sampled_from(["buy", "sell"])), draw(st.integers(1, 400))
    common = {"symbol": draw(st.sampled_from(["AAA", "BBB"])), "qty": qty}
    tif = draw(st.sampled_from(["day", "gtc"]))
    if kind == "market":
        return order(side=side, **common, time_in_force=draw(st.sampled_from(["day", "ioc"])))
    if kind == "limit":
        return order(side=side, **common, limit_price=price(draw), time_in_force=tif)
    if kind == "stop":
        return order(side=side, **common, stop_price=price(draw), time_in_force=tif)
    exits = {"take_profit_limit": price(draw), "stop_loss_stop": price(draw)}
    if kind == "oco":
        return order(side=side, **common, type="limit", order_class="oco", **exits)
    if kind == "oto":
        return order(side=side, **common, order_class="oto", stop_loss_stop=exits["stop_loss_stop"])
    low, middle, high = sorted(
        [Decimal(exits["take_profit_limit"]), Decimal(exits["stop_loss_stop"]), Decimal(price(draw))]
    )
    long = kind == "bracket"
    return order(
        side="buy" if long else "sell",
        **common,
        limit_price=str(middle),
        order_class="bracket",
        take_profit_limit=str(high if long else low),
        stop_loss_stop=str(low if long else high),
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), requests()),
        st.tuples(st.just("wait"), st.integers(1, 150)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("replace"), st.tuples(st.integers(0, 20), _cents)),
    ),
    min_size=3,
    max_size=25,
)


def play(venue, steps, check):
    for kind, value in steps:
        try:
            if kind == "submit":
                venue.submit(value)
            elif kind == "wait":
                venue.advance(venue.now + timedelta(seconds=value))
            else:
                members = [m for root in venue.orders() for m in (root, *root.legs)]
                index = value if kind == "cancel" else value[0]
                if index < len(members) and kind == "cancel":
                    venue.cancel(members[index].order_id)
                elif index < len(members):
                    venue.replace(members[index].order_id, limit_price=Decimal(value[1]) / 100)
        except ExchangeRefusal as refusal:
            assert refusal.http_status in (403, 404, 422)
        check(venue)


def consistent(venue):
    fills = [a for a in venue.activities() if a.kind == "FILL"]
    fees = sum((-a.net_amount for a in venue.activities() if a.kind == "FEE"), Decimal(0))
    flow = sum((a.price * a.qty * (-1 if a.side == "buy" else 1) for a in fills), Decimal(0))
    account = venue.account()
    assert account.cash == Decimal(100000) + flow - fees
    held = defaultdict(int)
    for fill in fills:
        held[fill.symbol] += fill.qty if fill.side == "buy" else -fill.qty
    assert {p.symbol: p.qty for p in venue.positions()} == {s: q for s, q in held.items() if q}
    assert account.buying_power >= 0
    unrealized = sum((venue.price(p.symbol) * p.qty - p.cost_basis for p in venue.positions()), Decimal(0))
    total = Decimal(100000) + venue.realized + unrealized - fees
    assert abs(account.equity - total) < Decimal("0.02")
    for position in venue.positions():
        assert 0 <= venue.available(position.symbol) <= abs(position.qty)
    assert [a.at for a in venue.activities()] == sorted(a.at for a in venue.activities())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(aaa=bars(), bbb=bars(), steps=STEPS)
def test_money_and_shares_are_conserved_whatever_is_ordered(aaa, bbb, steps):
    venue = exchange(tape({"AAA": aaa, "BBB": bbb}))
    play(venue, steps, consistent)
    venue.advance(ny(16))
    consistent(venue)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(aaa=bars(), steps=STEPS)
def test_fills_keep_the_volume_cap_the_limit_and_the_quantity(aaa, steps):
    made = tape({"AAA": aaa})
    venue = exchange(made)
    play(venue, steps, lambda _: None)
    venue.advance(ny(16))
    by_bar = defaultdict(int)
    orders = {m.order_id: m for root in venue.orders() for m in (root, *root.legs)}
    bars_ = venue.view.session_bars(venue.session())
    for fill in (a for a in venue.activities() if a.kind == "FILL"):
        filled = orders[fill.order_id]
        if filled.limit_price is not None:
            if fill.side == "buy":
                assert fill.price <= filled.limit_price
            else:
                assert fill.price >= filled.limit_price
        by_bar[(fill.symbol, fill.at)] += fill.qty
    for member in orders.values():
        assert 0 <= member.filled_qty <= member.qty
        assert not member.is_open or member.time_in_force == "gtc"
    # Fills stamped on a boundary come from the bar that ends there or the one that starts there: two caps at most.
    for (symbol, at), qty in by_bar.items():
        moment = micros(at)
        caps = [
            int(bars_.columns["volume"][bars_.last(symbol, when)] * venue.config.participation)
            for when in (moment - 1, moment)
        ]
        assert qty <= (sum(caps) if moment % venue.view.step == 0 else caps[0])


@settings(max_examples=25, deadline=None)
@given(aaa=bars(), steps=STEPS)
def test_a_bracket_never_sells_more_than_it_bought(aaa, steps):
    venue = exchange(tape({"AAA": aaa}))

    def check(venue):
        for root in venue.orders():
            if root.order_class == "bracket" and root.replaced_by is None:
                assert sum(leg.filled_qty for leg in root.legs) <= root.filled_qty
                if root.filled_qty < root.qty:
                    assert all(leg.filled_qty == 0 for leg in root.legs)

    play(venue, steps, check)
