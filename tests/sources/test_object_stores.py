"""What errors of object stores mean: whether to try again, whose fault it is, and what to do."""

import pytest
from obstore import exceptions

from toolkit.sources.object_stores import connect, meaning_of

GENERIC = "Generic S3 error: Error performing GET http://store:9000/bucket/a in 1ms - Server returned non-2xx "


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.GenericError(GENERIC + "status code: 503 Service Unavailable"), "silent", "http://store:9000"),
        (exceptions.GenericError(GENERIC + "status code: 429: SlowDown"), "silent", "no answer from"),
        (exceptions.GenericError(GENERIC + "status code: 400: <Code>RequestTimeout</Code>"), "silent", "no answer"),
        (exceptions.GenericError(GENERIC + "status code: 409: <Code>OperationAborted</Code>"), "silent", "no answer"),
        (exceptions.GenericError("HTTP error: connection refused"), "silent", "no answer from the object store"),
        (ConnectionResetError("reset"), "silent", "no answer"),
        (exceptions.GenericError(GENERIC + "status code: 400 Bad Request"), "refused", "http://store:9000 refuses"),
        (exceptions.GenericError("HTTP status client error (403 Forbidden)"), "refused", "refuses"),
        (exceptions.NotSupportedError("no"), "refused", "refuses"),
        (exceptions.PermissionDeniedError("403 <Code>AccessDenied</Code>"), "refused", "must be allowed to list"),
        (exceptions.InvalidPathError("empty segment"), "refused", "no server has an object of such a name"),
        (ValueError("empty segment"), "refused", "no server has an object of such a name"),
        (FileNotFoundError("Object at location a not found"), "missing", "no such object"),
        (FileNotFoundError("404 <Code>NoSuchBucket</Code>"), "access", "there is no bucket 'bucket' at"),
        (exceptions.PermissionDeniedError("<Code>SignatureDoesNotMatch</Code>"), "access", "AWS_SECRET_ACCESS_KEY"),
        (exceptions.UnauthenticatedError("401"), "access", "the keys are wrong; check AWS_ACCESS_KEY_ID"),
        (exceptions.GenericError("error at http://169.254.169.254/latest"), "access", "no keys were found; set AWS_"),
        (exceptions.GenericError("received redirect without LOCATION"), "access", "check AWS_ENDPOINT_URL"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_an_error_has_a_kind_and_a_remedy(error: Exception, kind: str, words: str) -> None:
    meaning = meaning_of(error, "s3://bucket/folder")
    assert meaning.kind == kind
    assert words in meaning.words


def test_silence_is_told_from_slowness() -> None:
    """What comes slowly but steadily may take long; obstore itself counts, so that its settings are looked at."""
    store = connect("http://127.0.0.1:9", connect_seconds=1, silent_seconds=2, most_seconds=3600)
    times = {"connect_timeout": "1s", "read_timeout": "2s", "timeout": "1h"}
    assert store.client_options == {**times, "allow_http": "true"}
    assert store.retry_config["max_retries"] == 0


def test_debugging_output_is_left_out() -> None:
    assert (
        meaning_of(exceptions.GenericError("what happened\n\nDebug source:\nlong"), "s3://b").detail == "what happened"
    )
