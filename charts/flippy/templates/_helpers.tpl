{{/* The name of everything that is installed: `flippy` for a release of that name. */}}
{{- define "flippy.name" -}}
{{- if contains "flippy" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-flippy" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a Deployment finds its pods by. It can never be changed. */}}
{{- define "flippy.selector" -}}
app.kubernetes.io/name: flippy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "flippy.labels" -}}
{{ include "flippy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "flippy.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "flippy.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | required "serviceAccount.create is false: name the account that is there in serviceAccount.name" -}}
{{- end -}}
{{- end -}}

{{- define "flippy.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "flippy.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "flippy.image" -}}
{{- $repository := required "no image is published yet: build one (docs/image.md), and name it in image.repository" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/*
The right to read some objects of a resource, by name: one Role and one RoleBinding for each namespace.
Takes `root`, `objects` (each with a namespace and a name), `ending` of the names, `resource`, `verbs`, `why`.
*/}}
{{- define "flippy.readers" -}}
{{- $named := dict -}}
{{- range .objects -}}
{{- $_ := set $named .namespace (append (get $named .namespace | default list) .name | uniq | sortAlpha) -}}
{{- end -}}
{{- range $namespace, $names := $named }}
---
# {{ $.why }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "flippy.name" $.root }}-{{ $.ending }}
  namespace: {{ $namespace }}
  labels:
    {{- include "flippy.labels" $.root | nindent 4 }}
rules:
- apiGroups: [""]
  resources: [{{ $.resource }}]
  resourceNames: {{ $names | toJson }}
  verbs: [{{ $.verbs }}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "flippy.name" $.root }}-{{ $.ending }}
  namespace: {{ $namespace }}
  labels:
    {{- include "flippy.labels" $.root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "flippy.name" $.root }}-{{ $.ending }}
{{ include "flippy.subjects" $.root }}
{{- end }}
{{- end -}}
