"""A plain reference implementation of the replay: every transition from a list of steps."""

from hilserl_core.contract.steps import Source, problem


def kept(adds, deletions, capacity, schema):
    """Records alive after `adds` [(step, demonstration)], with deletions {number of adds: ids}.

    Returns [(step, demonstration, first index of its episode)] in the order of arrival.
    """
    ring, demonstrations, newest, first, closed = [], [], {}, {}, set()
    room = capacity
    for number, (step, demonstration) in enumerate(adds):
        name = step.episode_id
        if not (problem(step, schema) or name in closed or step.index <= newest.get(name, -1)):
            newest[name] = step.index
            first.setdefault(name, step.index)
            if step.last:
                closed.add(name)
            if demonstration:
                demonstrations.append((step, True))
                room -= 1
            else:
                ring.append((step, False))
        for name in deletions.get(number, ()):
            if name in first:
                closed.add(name)
            ring = [None if item and item[0].episode_id == name else item for item in ring]
            demonstrations = [i for i in demonstrations if i[0].episode_id != name]
    alive = demonstrations + [item for item in ring[-room:] if item]
    return [(step, demo, first[step.episode_id]) for step, demo in alive]


def transitions(alive, stack, n_step, discount, max_gap, failed):
    """{state[0] of the observation: (frames, reward, discount, next frames, prior)}.

    failed: ids of the episodes that failed.
    """
    by_place = {(s.episode_id, s.index): (s, demo, first) for s, demo, first in alive}

    def neighbour(step, offset):
        other = by_place.get((step.episode_id, step.index + offset))
        if other is None:
            return None
        early, late = sorted((step, other[0]), key=lambda s: s.index)
        return other[0] if 0 < late.stamp - early.stamp <= max_gap else None

    def frames(step, first):
        found = [step]
        for _ in range(stack - 1):
            if found[0].index == first:
                found.insert(0, found[0])
                continue
            before = neighbour(found[0], -1)
            if before is None:
                return None
            found.insert(0, before)
        return tuple(int(s.images[0][0, 0, 0]) for s in found)

    def starts(step):
        return not step.last and step.reward is not None and neighbour(step, 1) is not None

    result = {}
    for step, _, first in alive:
        if not starts(step) or frames(step, first) is None:
            continue
        total, factor, mask, at = 0.0, 1.0, 1.0, step
        for _k in range(n_step):
            total += factor * at.reward
            factor *= discount
            ended, mask = at.terminated or at.truncated, 0.0 if at.terminated else 1.0
            at = neighbour(at, 1)
            if ended or not starts(at):
                break
        result[float(step.state[0])] = (
            frames(step, first),
            total,
            factor * mask,
            frames(at, first),
            step.source == Source.HUMAN and step.episode_id not in failed,
        )
    return result
