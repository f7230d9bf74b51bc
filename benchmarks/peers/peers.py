"""Who is measured beside the service. To add one: a folder with its server and requirements, and a line here."""

from benchmarks.peers.dialects import BENTOML, TORCHSERVE, V1, V2
from benchmarks.peers.peer import Peer
from benchmarks.serving.contender import SEQSERVE_TEXTS

PEERS = {
    peer.name: peer
    for peer in (
        Peer("Triton", "nvidia-pytriton", "triton", V2),
        Peer(
            "Robyn",
            "robyn",
            "robyn",
            SEQSERVE_TEXTS,
            arguments=("--processes", "{workers}", "--workers", "1", "--disable-openapi", "--log-level", "ERROR"),
        ),
        Peer(
            "mosec",
            "mosec",
            "mosec",
            SEQSERVE_TEXTS,
            arguments=("--address", "127.0.0.1", "--port", "{port}", "--log-level", "error"),
        ),
        Peer("LitServe", "litserve", "litserve", SEQSERVE_TEXTS),
        Peer("MLServer", "mlserver", "mlserver", V2),
        Peer("BentoML", "bentoml", "bentoml", BENTOML),
        Peer(
            "KServe",
            "kserve",
            "kserve",
            V1,
            arguments=(
                "--http_port={port}",
                "--workers={workers}",
                "--enable_grpc=false",
                "--enable_latency_logging=false",
                "--log_config_file=benchmarks/peers/kserve/log.json",
            ),
        ),
        Peer(
            "Ray Serve",
            "ray",
            "ray_serve",
            SEQSERVE_TEXTS,
            variables={
                "RAY_SERVE_ENABLE_HA_PROXY": "1",
                "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
                "RAY_USAGE_STATS_ENABLED": "0",
            },
        ),
        Peer("TorchServe", "torchserve", "torchserve", TORCHSERVE, needs=("java",)),
    )
}
