{{- define "umbra.name" -}}
{{- .Values.nameOverride | default (contains "umbra" .Release.Name | ternary .Release.Name (printf "%s-umbra" .Release.Name)) | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{/* What a selector selects by: (dict "root" $ "component" "recorder" "target" "") */}}
{{- define "umbra.selector" -}}
app.kubernetes.io/name: umbra
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .target }}
umbra-target: {{ . }}
{{- end }}
{{- end -}}

{{- define "umbra.labels" -}}
{{ include "umbra.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "umbra.image" -}}
{{- $digest := get .root.Values.image.digests .program -}}
{{- $version := $digest | empty | ternary (printf ":%s" (.root.Values.image.tag | default .root.Chart.AppVersion)) (printf "@%s" $digest) -}}
{{ printf "%s/umbra-%s%s" .root.Values.image.registry .program $version }}
{{- end -}}

{{/* A target with the defaults for what it does not say, as JSON. */}}
{{- define "umbra.target" -}}
{{- merge (deepCopy .target) (deepCopy .root.Values.targetDefaults) | toJson -}}
{{- end -}}
