"""What a dry run found, in numbers and in words."""

from dataclasses import dataclass, field

from toolkit.runs.amounts import about, count, size, span

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Estimate:
    """What segmenting a catalog will take. `estimate` makes these; printed, it is a few plain sentences.

    All totals take every pending image to be like those of the sample that could be read.
    """

    model: str
    """Name of the model."""
    protocol: str
    """How it looks at an image, in a few words."""
    device: str
    """Where it was measured, and what the hours are hours of."""
    images: int
    """Images in the catalog."""
    pending: int
    """Images that a run of this model and protocol has still to segment."""
    sampled: int
    """Images of the sample that there was time to read, at random among the pending ones."""
    failures: tuple[str, ...]
    """What happened to those of the sample that could not be read or segmented, one sentence each."""
    megapixels: float
    """Pixels of the pending images together, 10⁶."""
    tiles: int
    """Crops of the pending images that the network will see, mirrored ones counted."""
    seconds_per_image: float
    """Mean over the sample of the time that an image takes an engine while the others work too, seconds."""
    hours: float
    """Time of all engines together for all pending images, hours."""
    hours_interval: tuple[float, float]
    """Between which hours it will probably be; NaN where nothing is pending."""
    bytes_results: int
    """Most bytes that compositions and all else that is kept per image take, before compression."""
    bytes_labels: int
    """Bytes of the label maps, as the sample's compress; 0 if none are kept."""
    seconds: tuple[float, ...] = field(default=(), repr=False)
    """What each image of the sample takes an engine, seconds: measured, or added up from its parts."""
    engines: int = 1
    """Engines that it was asked for."""
    at_once: int = 1
    """Engines that have a core or a GPU of this machine for themselves: more of them gain nothing."""
    threads: int = 1
    """Threads of an engine."""
    whole: int = 0
    """Images of the sample that were segmented as a whole, for comparison."""
    seconds_taken: float = 0.0
    """How long finding this out took, seconds."""
    reading_seconds: float = 0.0
    """Mean time that reading an image of the sample took, seconds. Engines read ahead while they compute."""
    elsewhere: str = ""
    """Where engines are that could not be measured from here; empty: none."""

    def __str__(self) -> str:
        if not self.pending:
            return f"nothing is pending: {self.model} {self.protocol} has been through all {self.images:,} images"
        low, high = (hours * _SECONDS_PER_HOUR for hours in self.hours_interval)
        lines = [
            f"{self.pending:,} of {self.images:,} images are pending for {self.model} {self.protocol}",
            f"they have {about(self.megapixels)} megapixels, {about(self.tiles)} tiles for the network",
            f"time: {span(low, high)} with {self._engines()}, {self._each()} an image",
            f"disk: results at most {size(self.bytes_results)}, "
            + (f"label maps about {size(self.bytes_labels)}" if self.bytes_labels else "label maps are not kept"),
            self._how(),
        ]
        if self.elsewhere:
            lines.append(f"measured here; the engines are on {self.elsewhere}, which may be faster or slower")
        if self.engines > self.at_once:
            what = "image" if self.at_once == self.pending else "core" if self.device == "cpu" else "GPU"
            lines.append(
                f"{self.engines} engines share {count(self.at_once, what)}: more than {self.at_once} are no faster"
            )
        if self.reading_seconds > self.seconds_per_image:
            lines.append(
                f"reading an image took {about(self.reading_seconds)} s, longer than segmenting it: "
                "the run may have to wait for the place where the images lie"
            )
        if self.failures:
            lines.append(f"{count(len(self.failures), 'image')} of the sample failed, counted as if like the others:")
            lines += [f"  {message}" for message in self.failures]
        return "\n".join(lines)

    def _engines(self) -> str:
        threads = "" if self.device != "cpu" else f" of {count(self.threads, 'thread')}"
        return f"{count(self.engines, 'engine')}{threads} on {self.device}"

    def _each(self) -> str:
        seconds = self.seconds_per_image
        return (f"{about(seconds)} s" if seconds < 100 else f"{about(seconds / 60)} min") + " each" * (self.engines > 1)

    def _how(self) -> str:
        whole = f", {self.whole} of them segmented as a whole" if self.whole else ", by some of their tiles"
        return (
            f"measured in {about(self.seconds_taken)} s on {count(self.sampled - len(self.failures), 'image')}{whole}"
        )
