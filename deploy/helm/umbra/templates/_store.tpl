{{/* The settings file of both programs: the store, by librdkafka's names. */}}
{{- define "umbra.store.text" -}}
{{- $kafka := .Values.kafka -}}
[store]
url = {{ printf "kafka://%s/%s?partitions=%d" (join "," $kafka.brokers) $kafka.topic (int $kafka.partitions) | quote }}

[store.kafka]
{{- if or $kafka.tls.enabled $kafka.sasl.mechanism }}
"security.protocol" = {{ ternary (ternary "SASL_SSL" "SASL_PLAINTEXT" $kafka.tls.enabled) "SSL" (ne $kafka.sasl.mechanism "") | quote }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
"ssl.ca.location" = "/etc/umbra/kafka-ca/ca.crt"
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.userSecret.name }}
"ssl.certificate.location" = "/etc/umbra/kafka-user/user.crt"
"ssl.key.location" = "/etc/umbra/kafka-user/user.key"
{{- end }}
{{- with $kafka.sasl }}
{{- if .mechanism }}
"sasl.mechanism" = {{ .mechanism | quote }}
"sasl.username" = {{ .username | quote }}
"sasl.password" = "file:/etc/umbra/kafka-password/password"
{{- end }}
{{- end }}
{{- range $name, $value := $kafka.properties }}
{{ $name | quote }} = {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{/* A Secret's key as a file that the group may read (288 is 0440): (dict "volume" … "secret" NAME "items" (dict KEY FILE)) */}}
{{- define "umbra.secret.volume" -}}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 288
    items:
      {{- range $key, $file := .items }}
      - { key: {{ $key | quote }}, path: {{ $file }} }
      {{- end }}
{{- end -}}

{{- define "umbra.store.volumes" -}}
{{- $kafka := .Values.kafka -}}
- name: store
  configMap: { name: {{ include "umbra.name" . }}-store }
{{ include "umbra.secret.volume" (dict "volume" "admin-token" "secret" .Values.adminToken.secretName "items" (dict .Values.adminToken.key "token")) }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
{{ include "umbra.secret.volume" (dict "volume" "kafka-ca" "secret" $kafka.tls.caSecret.name "items" (dict $kafka.tls.caSecret.key "ca.crt")) }}
{{- end }}
{{- with $kafka.tls.userSecret }}
{{- if and $kafka.tls.enabled .name }}
{{ include "umbra.secret.volume" (dict "volume" "kafka-user" "secret" .name "items" (dict .certificateKey "user.crt" .keyKey "user.key")) }}
{{- end }}
{{- end }}
{{- with $kafka.sasl }}
{{- if .mechanism }}
{{ include "umbra.secret.volume" (dict "volume" "kafka-password" "secret" .passwordSecret.name "items" (dict .passwordSecret.key "password")) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "umbra.store.mounts" -}}
{{- $kafka := .Values.kafka -}}
- { name: store, mountPath: /etc/umbra/store, readOnly: true }
- { name: admin-token, mountPath: /etc/umbra/admin, readOnly: true }
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
- { name: kafka-ca, mountPath: /etc/umbra/kafka-ca, readOnly: true }
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.userSecret.name }}
- { name: kafka-user, mountPath: /etc/umbra/kafka-user, readOnly: true }
{{- end }}
{{- if $kafka.sasl.mechanism }}
- { name: kafka-password, mountPath: /etc/umbra/kafka-password, readOnly: true }
{{- end }}
{{- end -}}
