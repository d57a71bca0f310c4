"""The tables of a report."""

import math
from collections.abc import Sequence
from typing import Any

from fractalvid.finetune.report.findings import Findings
from fractalvid.finetune.report.markup import NONE, Table, or_none
from fractalvid.finetune.report.published import first_frames, published_beside
from fractalvid.finetune.report.statistics import CONFIDENCE, Spread
from fractalvid.finetune.results.comparable import training_settings
from fractalvid.finetune.results.read import ACCURACIES, RunResult
from fractalvid.utils.messages.phrases import counted


def mode_table(parts: Sequence[Findings]) -> Table:
    """The headline accuracy of each initialisation in each mode, as papers show it."""
    name = ACCURACIES[parts[0].metric]
    labels = list(dict.fromkeys(label for part in parts for label in part.labels))
    values = [{entry["label"]: str(entry[parts[0].metric]) for entry in part.summary} for part in parts]
    body = tuple((label, *(one.get(label, NONE) for one in values)) for label in labels)
    note = "Means ± sample standard deviation over the runs; what follows is of one mode at a time."
    return Table("Result", ("initialisation", *(f"{part.part} ({name}, %)" for part in parts)), body, note)


def result_table(findings: Findings) -> Table:
    """Each initialisation: means, deviations, interval, gain."""
    first, metric = findings.labels[0], findings.metric
    compared = len(findings.labels) > 1
    head = ["initialisation", *(f"{name} (%)" for name in ACCURACIES.values())]
    if findings.intervals:
        head.append(f"{_percent(CONFIDENCE)} interval of {ACCURACIES[metric]}")
    head += [f"{ACCURACIES[metric]} over {first}"] * compared + ["runs"]
    body = []
    for entry in findings.summary:
        line = [entry["label"], *(str(entry[name]) for name in ACCURACIES)]
        if findings.intervals:
            line.append(or_none(findings.intervals.get(entry["label"], {}).get(metric)))
        line += [_signed(entry["gain"]) if entry["gain"] else ""] * compared + [_runs(entry["runs"])]
        body.append(tuple(line))
    return Table(findings.title("Result"), tuple(head), tuple(body), _about_result(findings))


def _runs(runs: Sequence[RunResult]) -> str:
    """How many, and of how many pre-trainings where these are several."""
    count = len({run.pretraining for run in runs})
    return f"{len(runs)} of {count} pre-trainings" if count > 1 else str(len(runs))


def settings_table(findings: Findings) -> Table:
    """All that decided what came out, but for what is compared: as `config.json` has it, in every run the same."""
    known = [run for run in findings.results if run.settings]
    body = [(name, _setting(value)) for name, value in (training_settings(known[0].settings) if known else ())]
    metrics = findings.results[0].metrics
    also = ("final_lr", "precision", "frames", "side", "curve_side")
    body += [(name, _setting(metrics[name])) for name in also if metrics.get(name) is not None]
    return Table(findings.title("Settings"), ("setting", "value"), tuple(body))


def _setting(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_setting, value)) if isinstance(value, list | tuple) else NONE if value is None else str(value)


def _about_result(findings: Findings) -> str:
    text = "Means ± sample standard deviation over the runs"
    if len(findings.labels) > 1:
        text += "; differences are of folds, over whose seeds and pre-trainings is averaged, or of one fold's seeds"
    if not findings.intervals:
        return text + "."
    return f"{text}. Intervals are percentile bootstraps over {about_videos(findings)}, given these trained networks."


def about_videos(findings: Findings) -> str:
    """What is drawn again in a bootstrap."""
    if findings.sources is None:
        return f"the {findings.videos} test videos (their sources are not known: clips of one source may be alike)"
    return f"the {findings.sources} sources of the {findings.videos} test videos, each with all its clips"


def single_table(findings: Findings) -> Table:
    """The headline accuracy of the single runs."""
    columns = list(dict.fromkeys(run_name(result) for result in findings.results))
    body = []
    for entry in findings.summary:
        values = dict[str, str]()
        for run in entry["runs"]:  # several pre-trainings of one row stand in one cell
            value = f"{run.metrics[findings.metric]:.1f}"
            values[run_name(run)] = f"{values[run_name(run)]}, {value}" if run_name(run) in values else value
        body.append((entry["label"], *(values.get(column, "") for column in columns)))
    name = ACCURACIES[findings.metric]
    title = f"{name[0].upper()}{name[1:]} (%) of the single runs"
    return Table(findings.title(title), ("initialisation", *columns), tuple(body))


def run_name(result: RunResult) -> str:
    """The split and seed of a run, as a column is headed; of tested weights the split of their training, too."""
    split, trained, seed = result.repetition
    named = [f"split {split}"] * bool(split) + [f"weights of split {trained}"] * bool(trained)
    return ", ".join([*named, f"seed {seed}"])


def paired_table(findings: Findings) -> Table:
    """Paired tests between the initialisations."""
    name = ACCURACIES[findings.metric]
    head = (
        "compared",
        f"{name} difference",
        "interval",
        "t test",
        "corrected",
        "over units",
        "over videos",
        "McNemar",
        "units",
    )
    body = []
    for c in findings.comparisons:
        each = ", ".join(_p(pair.p if pair.clustered is None else pair.clustered) for pair in c.pairs)
        tests = (_p(c.t_test), _p(c.corrected_t_test), _p(c.run_flips), _p(c.video_flips), each or NONE)
        body.append(
            (
                f"{c.second} – {c.first}",
                _signed(c.difference),
                or_none(c.interval),
                *tests,
                counted(c.difference.n, c.unit),
            )
        )
    return Table(findings.title("Paired tests"), head, tuple(body), _about_tests(findings))


def _about_tests(findings: Findings) -> str:
    pairs = max((c.difference.n for c in findings.comparisons), default=0)
    text = (
        "Two-sided p, not corrected for the number of comparisons. The unit is the fold, over whose seeds and "
        "pre-trainings is averaged; with one fold the seed. t test: Student's, paired, over units; folds share "
        "training videos, which makes it optimistic. Corrected: for that, by Nadeau and Bengio (2003), over folds. "
        f"Over units: all changes of sign of the paired differences{_least_p(pairs)}. "
    )
    known = findings.sources is not None
    mcnemars = "by changes of sign of whole sources" if known else "exact, taking videos for independent"
    unit = "test videos" if findings.sources is None else "the sources of the test videos"
    return (
        f"{text}Over videos: changes of sign by {unit}, of top-1 answers summed over the runs. McNemar: of "
        f"top-1 answers, for each pair of runs alone, {mcnemars}."
    )


def _least_p(pairs: int) -> str:
    """What changes of sign of so many pairs can show at most; nothing where that is enough."""
    if pairs < 2:
        return "; one pair cannot be tested"
    return f"; with {pairs} pairs no p is below {_p(2.0 ** (1 - pairs))}" if pairs <= 10 else ""


def class_table(findings: Findings, most: int | None = None) -> Table:
    """Accuracy by class; with two or more initialisations sorted by the change from the first to the last.

    `most` keeps so many at either end.
    """
    labels = [label for label in findings.labels if label in findings.class_accuracy]
    accuracy = [findings.class_accuracy[label] for label in labels]
    changed = len(labels) > 1
    order = [k for k in range(len(findings.class_names)) if all(math.isfinite(a[k]) for a in accuracy)]
    change = {k: accuracy[-1][k] - accuracy[0][k] if changed else accuracy[0][k] for k in order}
    order.sort(key=lambda k: -change[k])
    if most is not None and len(order) > 2 * most:
        order = order[:most] + order[-most:]
    body = [
        (findings.class_names[k], *(f"{a[k]:.1f}" for a in accuracy), *([f"{change[k]:+.1f}"] if changed else []))
        for k in order
    ]
    title = "Change by class" if changed else "Accuracy by class"
    head = ("class", *(f"{label} (%)" for label in labels), *(["change"] if changed else []))
    return Table(findings.title(title), head, tuple(body), "Top-1 over all runs.")


def confused_table(findings: Findings, label: str, most: int = 10) -> Table:
    """The pairs of classes that are taken for one another most often."""
    matrix, names = findings.confusion[label], findings.class_names
    pairs = [
        (matrix[i, j] / max(matrix[i].sum(), 1), i, j)
        for i in range(len(names))
        for j in range(len(names))
        if i != j and matrix[i, j]
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    body = tuple((names[i], names[j], f"{100 * share:.0f}") for share, i, j in pairs[:most])
    return Table(f"Most often confused, {label}", ("true", "taken for", "% of the class"), body)


def budget_table(findings: Findings) -> Table:
    """What the runs of each initialisation cost."""
    body = []
    for entry in findings.summary:
        metrics = [run.metrics for run in entry["runs"]]
        if not all({"steps", "seconds", "batch_size"} <= m.keys() for m in metrics):
            continue
        clips = sum(m["steps"] * m["batch_size"] for m in metrics)
        training = sum(m["seconds"]["training"] for m in metrics)
        views = sum(m["videos"]["test"] * m["views"] * m["crops"] for m in metrics)
        test = sum(m["seconds"]["test"] for m in metrics)
        devices = ", ".join(sorted({m["versions"]["device"] for m in metrics if "versions" in m}))
        body.append(
            (
                entry["label"],
                f"{clips / len(metrics):,.0f}",
                f"{training / len(metrics) / 60:.1f}",
                _rate(clips, training),
                _rate(views, test),
                devices or NONE,
            )
        )
    head = ("initialisation", "clips seen a run", "minutes a run", "training clips/s", "test clips/s", "device")
    return Table(findings.title("Budget and throughput"), head, tuple(body))


def _rate(count: float, seconds: float) -> str:
    return f"{count / seconds:,.1f}" if seconds > 0 else NONE


def published_table(findings: Findings) -> Table | None:
    """Other people's numbers of this benchmark; None where there are none at all."""
    each_run = [published_beside(result) for result in findings.results]
    numbers, why = next((each for each in each_run if each[1]), each_run[0])
    if not numbers and not why:
        return None
    body = tuple(
        (n.pretraining, n.network, f"{n.top1:.1f}", NONE if n.top5 is None else f"{n.top5:.1f}", n.source, n.conditions)
        for n in numbers
    )
    head = ("pre-training", "network", "top-1 (%)", "top-5 (%)", "source", "conditions")
    note = why or (
        "Measured by others, with other networks, resolutions, budgets and data to pre-train on; not by this program."
    )
    return Table(findings.title("Published by others"), head, body, note)


def about(metrics: dict[str, Any]) -> str:
    """One line on what was run: model, clip, budget, views, videos."""
    clip, videos = metrics["clip"], metrics["videos"]
    if metrics.get("sampling") == "segments":
        frames = f"{clip['clip_len']} segments"
    else:
        frames = f"{clip['clip_len']} frames (stride {clip['frame_stride']})"
    only = f", only {first_frames(metrics['first_frames'])} of each video" if metrics.get("first_frames") else ""
    how = {"softmax": "", "logits": ", logits averaged", "votes": ", majority vote"}[metrics.get("voting", "softmax")]
    trained = "" if metrics["mode"] == "test" else f"{videos['train']} training and "
    return (
        f"{metrics['target']}, {_about_classes(metrics)}, {trained}{counted(videos['test'], 'test video')}"
        f"{_about_others(metrics)}; "
        f"{metrics['model']}, {frames} of {clip['size']} x {clip['size']}{only}, {_about_training(metrics)}; "
        f"{metrics['views']} x {metrics['crops']} views a test video{how}."
    )


def _about_others(metrics: dict[str, Any]) -> str:
    """Videos that are neither trained on nor tested, and what validation videos say."""
    videos = metrics["videos"]
    said = {
        "missing": videos.get("missing"),
        "not decodable": videos.get("skipped"),
        "of classes left out": metrics.get("left_out"),
        "to choose by": videos.get("val"),
    }
    told = [f"{count} {what}" for what, count in said.items() if count]
    chosen = metrics.get("validation")
    if chosen:
        told[-1] += f" ({ACCURACIES[metrics['metric']]} {chosen[metrics['metric']]:.1f} %)"
    return f" ({', '.join(told)})" if told else ""


def _about_classes(metrics: dict[str, Any]) -> str:
    classes, official = metrics["classes"], metrics.get("official_classes")
    tested = metrics.get("tested_classes", classes)
    of_all = f" of {official}" if official not in (None, tested) else ""
    among = f" among the {classes} of the weights" if tested < classes else ""
    return f"{tested}{of_all} classes{among}"


def _about_training(metrics: dict[str, Any]) -> str:
    if metrics["mode"] == "test":
        learned = {name: value for name, value in metrics.get("trained_on", {}).items() if value}
        split = f" split {learned['split']}" if "split" in learned else ""
        where = f" (fine-tuned on {learned['target']}{split})" if "target" in learned else ""
        return f"tested without training{where}"
    how = {"full": "full fine-tuning", "linear": "linear probe"}.get(metrics["mode"], metrics["mode"])
    shots = f", {counted(metrics['shots'], 'video')} a class" if metrics.get("shots") else ""
    return f"{how}{shots}, {metrics['epochs']} epochs of batch {metrics['batch_size']}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _p(value: float | None) -> str:
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _signed(value: Spread) -> str:
    text = f"{value.mean:+.1f}"
    return text if value.deviation is None else f"{text} ± {value.deviation:.1f}"
