"""edge_runtime: real-time inference at the data source, results over MQTT, raw data stays here."""

__version__ = "0.1.0"
SCHEMA_VERSION = 1
