-- How a FlippyConfig is, in the words of Argo CD. Goes into the ConfigMap argocd-cm, see docs/gitops.md.
local health = {status = "Progressing", message = "no operator has looked at it yet"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "Flippy has not seen the latest spec yet"
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]
local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
if obj.spec ~= nil and (obj.spec.Suspend or obj.spec.DryRun) then
  return {status = "Suspended", message = ready and ready.message or ""}
end
if ready ~= nil then
  health.message = ready.message
  if ready.status == "True" then
    health.status = "Healthy"
  end
end
return health
