"""Settings: what the files say, what overrides what, and how a bad value is refused."""

from pathlib import Path

import pytest

from online.platform.settings import ROOT, Secret, SettingsError, load_settings


def load(text: str, tmp_path: Path, **environ: str) -> object:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    return load_settings(overlay, environ=environ)


def test_defaults_are_those_of_the_specification():
    settings = load_settings(environ={})
    assert settings.server.port == 8080
    assert settings.server.timeout_ms == 30_000
    assert settings.database.embedded is True
    assert settings.database.postgres.database == "payments"
    assert settings.redis.enabled is False
    assert settings.fraud_detection.risk_threshold == 75
    assert settings.rate_limits.everyone.burst == 2000
    assert settings.rate_limits.per_user.amount_per_day_minor == 100_000_00
    hdfc, icici, *cards = settings.payment_routes
    assert (hdfc.name, hdfc.max_amount_minor, hdfc.fee_bp) == ("upi_hdfc", 200_000_00, 50)
    assert (icici.name, icici.max_amount_minor, icici.fee_bp) == ("upi_icici", 100_000_00, 60)
    assert [route.methods for route in cards] == [("card",), ("card",)]


def test_dev_overlay_is_found_from_another_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(Path("config/dev.yaml"), environ={})
    assert settings.security.require_signature is False
    assert settings.recovery.min_interval_s == 1
    assert settings.security.jwt_ttl_s == 900, "a key the overlay leaves out keeps its default"
    assert settings.data_dir == ROOT / "var"


def test_inherited_overlays_then_single_values_win(tmp_path):
    inherited = tmp_path / "inherited.yaml"
    inherited.write_text("server: {port: 8200, host: 0.0.0.0}")
    settings = load_settings(
        Path("config/dev.yaml"),
        environ={
            "KHATA_CONFIG": str(inherited),
            "KHATA_SERVER__PORT": "8300",
            "KHATA_REDIS__ENABLED": "true",
            "KHATA_DATABASE__POSTGRES__PASSWORD": "0123",
            "KHATA_PAYMENT_ROUTES__UPI_ICICI__FEE_PERCENT": "0.65",
            "KHATA_DATA_DIR": str(tmp_path),
            "KHATA_SOMETHING_OF_ANOTHER_TOOL": "x",
        },
    )
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8300)  # noqa: S104
    assert settings.redis.enabled is True
    assert settings.database.postgres.password.reveal() == "0123"
    assert settings.payment_routes[1].fee_bp == 65
    assert settings.data_dir == tmp_path
    assert settings.fraud_detection.ml_model_path == tmp_path / "models/fraud.bundle"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("server: {port: http}", "server.port: "),
        ("server: {port: 70000}", "server.port: "),
        ("server: {prot: 1}", "server: .*prot"),
        ("sever: {port: 1}", "settings: .*sever"),
        ("server: {timeout: 30}", "server.timeout: a duration"),
        ("server: 8080", "server: "),
        ("rails: {read_ms: 21000}", "timeouts of upi_hdfc.*shorter than server.timeout"),
        ("rails: {max_in_flight: 0}", "rails.max_in_flight: "),
        ("recovery: {max_enquiries: 4}", "recovery.max_enquiries.*upi_hdfc: UPI allows 3"),
        ("recovery: {max_enquiries: 0}", "recovery.max_enquiries: "),
        ("rate_limits: {per_user: {amount_per_day: 0.001}}", "amount_per_day: .*paisa"),
        ("rate_limits: {per_user: {amount_per_day: .nan}}", "amount_per_day: "),
        ("rate_limits: {per_user: {amount_per_day: 1.0e+999999}}", "amount_per_day: "),
        ("payment_routes: []", "payment_routes: "),
        ("payment_routes: [{name: a}]", r"payment_routes\[0\]|payment_routes"),
        ("payment_routes: [1]", r"payment_routes\[0\]|payment_routes"),
        ("cascade: {patience: 10}", "cascade.patience: a duration"),
        ("cascade: {patience: 30s}", "cascade.patience: must be shorter than server.timeout"),
        ("cascade: {max_attempts: 0}", "cascade.max_attempts: "),
        ("cascade: {retry_budget: {percent: 101}}", "cascade.retry_budget.percent: "),
        ("cascade: {retry_budget: {burst: 0}}", "cascade.retry_budget.burst: "),
        ("- a list", "mapping of blocks"),
        ("server: {", "not valid YAML"),
        ("database: {postgres: {password: 123}}", "database.postgres.password: quoted"),
    ],
)
def test_bad_settings_name_the_setting(text, complaint, tmp_path):
    with pytest.raises(SettingsError, match=complaint):
        load(text, tmp_path)


@pytest.mark.parametrize(
    ("per_cent", "basis_points"),
    [("0", 0), ("0.29", 29), ("1.8", 180), ("2", 200), ("0.57", 57), ("100", 10_000)],
)
def test_fee_percent_is_exact(per_cent, basis_points):
    settings = load_settings(
        environ={"KHATA_PAYMENT_ROUTES__UPI_HDFC__FEE_PERCENT": per_cent},
    )
    assert settings.payment_routes[0].fee_bp == basis_points


@pytest.mark.parametrize("per_cent", ["0.555", "-0.5", "100.01", "half", "", "1e-3", "NaN"])
def test_fee_percent_that_is_not_whole_basis_points_is_refused(per_cent):
    with pytest.raises(SettingsError, match="fee_percent"):
        load_settings(environ={"KHATA_PAYMENT_ROUTES__UPI_HDFC__FEE_PERCENT": per_cent})


@pytest.mark.parametrize(
    "name", ["KHATA_SEVER__PORT", "KHATA_SERVER__PORT__X", "KHATA_PAYMENT_ROUTES__NONE__URL"]
)
def test_unknown_environment_override_is_refused(name):
    with pytest.raises(SettingsError):
        load_settings(environ={name: "1"})


def test_missing_overlay_is_named():
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        load_settings(Path("nowhere.yaml"), environ={})


def test_thresholds_of_risk_rise():
    fraud = load_settings(environ={}).fraud_detection
    found = (fraud.challenge_threshold, fraud.review_threshold, fraud.risk_threshold)
    assert found == (40, 60, 75)
    for name, value in (("RISK", 59), ("CHALLENGE", 61), ("REVIEW", 76)):
        with pytest.raises(SettingsError, match="does not hold"):
            load_settings(environ={f"KHATA_FRAUD_DETECTION__{name}_THRESHOLD": str(value)})


def test_a_scorer_is_named_placed_and_timed_by_settings(tmp_path):
    overlay = tmp_path / "scorers.yaml"
    overlay.write_text(
        "fraud_detection: {scorers: {own: {url: 'https://fraud.example/v1', timeout_ms: 80,"
        " token: 'hush'}}}"
    )
    scorers = load_settings(overlay, environ={}).fraud_detection.scorers
    assert set(scorers) == {"mock_engine", "own"}
    assert (scorers["own"].url, scorers["own"].timeout_ms) == ("https://fraud.example/v1", 80)
    assert "hush" not in repr(scorers)
    for url in ("file:///etc/passwd", "fraud.example"):
        with pytest.raises(SettingsError, match="scorers"):
            load_settings(environ={"KHATA_FRAUD_DETECTION__SCORERS__MOCK_ENGINE__URL": url})


def test_two_routes_with_one_name_are_refused(tmp_path):
    route = (
        "{name: a, provider: p, methods: [upi], url: 'http://h', priority: 1,"
        " max_amount: 1, fee_percent: 1}"
    )
    with pytest.raises(SettingsError, match="same name"):
        load(f"payment_routes: [{route}, {route}]", tmp_path)


def test_settings_do_not_print_secrets():
    settings = load_settings(environ={"KHATA_REDIS__PASSWORD": "hunter2"})
    assert settings.redis.password == Secret("hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        load_settings(environ={}).server.port = 1  # type: ignore[misc]
