//! The judge of documents itself: a wrong one must not pass.

use umbra_tests::kubernetes::{assert_valid, documents, refusals};

/// One resource of each source of schemas.
const RIGHT: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: kubernetes, labels: { a: b } }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ ports: [{ port: 53, protocol: UDP }] }] }
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: { name: prometheus-operator }
spec: { selector: {}, podMetricsEndpoints: [{ port: admin }] }
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: { name: keda }
spec: { scaleTargetRef: { name: a }, triggers: [{ type: kafka, metadata: { topic: traffic } }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: gateway-api }
spec: { rules: [{ backendRefs: [{ name: a, port: 80 }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: istio }
spec: { hosts: [a], http: [{ route: [{ destination: { host: a } }], mirror: { host: b }, mirrorPercentage: { value: 1.5 } }] }
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: { name: strimzi }
spec: { partitions: 12, replicas: 3 }
"#;

#[test]
fn documents_of_every_source_are_taken() {
    assert_valid(&documents(RIGHT));
}

#[test]
fn a_wrong_field_or_value_of_any_source_is_refused_by_name() {
    for (right, wrong, named) in [
        ("podSelector: {}", "podSelektor: {}", "podSelektor"),
        ("port: 53", "port: [53]", "port"),
        ("labels: { a: b }", "lables: { a: b }", "lables"),
        ("podMetricsEndpoints", "podMetricsEndpoint", "podMetricsEndpoint"),
        ("{ name: keda }", "{ name: keda, lables: {} }", "lables"),
        ("scaleTargetRef: { name: a }", "scaleTargetRef: {}", "name"),
        ("port: 80", "port: eighty", "port"),
        ("mirrorPercentage", "mirrorPercentages", "mirrorPercentages"),
        ("partitions: 12", "partitions: 0", "partitions"),
        ("KafkaTopic", "KafkaTopics", "KafkaTopics"),
        ("networking.istio.io/v1\n", "networking.istio.io/v7\n", "schema"),
    ] {
        assert!(RIGHT.contains(right), "{right}");
        let refusals = refusals(&documents(&RIGHT.replacen(right, wrong, 1)));
        assert!(!refusals.is_empty() && refusals.iter().all(|r| r.contains(named)), "{wrong}: {refusals:?}");
    }
}
