"""Programs above the SDK: an object mapper, and what an infrastructure tool asks of a table."""

import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT
from test_reads import eventually


@pytest.mark.calm
def test_pynamodb(cluster, monkeypatch):
    pynamodb = pytest.importorskip("pynamodb.models")
    from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
    from pynamodb.exceptions import PutError
    from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")

    class ByState(GlobalSecondaryIndex):
        class Meta:
            index_name = "by-state"
            projection = AllProjection()
            billing_mode = "PAY_PER_REQUEST"

        state = UnicodeAttribute(hash_key=True)

    class Order(pynamodb.Model):
        class Meta:
            table_name = "pynamodb-orders"
            host = cluster.endpoint(2)
            region = "local"
            billing_mode = "PAY_PER_REQUEST"

        customer = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        state = UnicodeAttribute(default="new")
        labels = UnicodeSetAttribute(null=True)
        by_state = ByState()

    Order.create_table(wait=True)
    with Order.batch_write() as batch:
        for number in range(30):
            batch.save(Order("ann", number))
    order = Order.get("ann", 7, consistent_read=True)
    order.update([Order.state.set("paid"), Order.labels.add({"x", "y"})])
    assert order.labels == {"x", "y"}
    with pytest.raises(PutError):
        Order("ann", 7).save(Order.customer.does_not_exist())
    few = Order.query("ann", Order.number.between(3, 6), consistent_read=True, page_size=2)
    assert [order.number for order in few] == [3, 4, 5, 6]

    def followed():
        assert [order.number for order in Order.by_state.query("paid")] == [7]

    eventually(followed)
    assert Order.count("ann", consistent_read=True) == 30
    order.delete()
    with pytest.raises(Order.DoesNotExist):
        Order.get("ann", 7, consistent_read=True)
    Order.delete_table()


def test_what_an_infrastructure_tool_asks(db, make, fails):
    """A table is made with everything, then read back call by call, twice with the same result."""
    table = make("id", Tags=[{"Key": "stage", "Value": "test"}], DeletionProtectionEnabled=False)

    def state():
        described = db.describe_table(TableName=table)["Table"]
        return (
            described,
            db.describe_time_to_live(TableName=table)["TimeToLiveDescription"],
            db.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"],
        )

    first = state()
    assert first == state()
    assert first[0]["DeletionProtectionEnabled"] is False
    assert first[1] == {"TimeToLiveStatus": "DISABLED"}
    # It takes this answer for "there are no backups here".
    fails("UnknownOperationException", db.describe_continuous_backups, TableName=table)


@pytest.mark.calm
@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_rust(cluster):
    """A workspace of its own: building the SDK takes a minute of CPU, once."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "sdk-rust"
    manifest = pathlib.Path(__file__).parent / "rust" / "Cargo.toml"
    build = ["cargo", "build", "--quiet", "--locked", "--manifest-path", manifest]
    subprocess.run([*build, "--target-dir", target], check=True)
    smoke = [target / "debug" / "sdk-rust", cluster.endpoint(1)]
    done = subprocess.run(smoke, capture_output=True, text=True)
    assert done.stdout == "ok\n", done.stdout + done.stderr


@pytest.mark.calm
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_javascript(cluster):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    directory = target / "sdk-javascript"
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "node_modules" / "@aws-sdk").exists():
        install = ["npm", "install", "--silent", "--no-fund", "--no-audit", "@aws-sdk/client-dynamodb@3"]
        subprocess.run(install, cwd=directory, check=True)
    shutil.copy(pathlib.Path(__file__).parent / "smoke.mjs", directory)
    command = ["node", "smoke.mjs", cluster.endpoint(0)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert done.stdout == "ok\n", done.stdout + done.stderr
