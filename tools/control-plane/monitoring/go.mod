module localhost/tools/monitoring

go 1.26.0

// Its custom resource definitions, and nothing else of it.
require github.com/prometheus-operator/prometheus-operator v0.85.0
