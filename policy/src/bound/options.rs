//! What a restricted user cannot use.

use super::request::{BoundRequest, Unbounded};
use crate::demand::{HostedKind, HostedTool, ServiceTier};

/// Refuses what a restricted user cannot use.
pub(super) fn check(request: &BoundRequest<'_>) -> Result<(), Unbounded> {
    let demand = request.demand;
    let extras = demand.extras();
    if let Some(refused) = &extras.refused {
        return Err(Unbounded::Option { param: refused.param.clone(), advice: refused.advice });
    }
    if demand.service_tier == ServiceTier::Unknown {
        return Err(Unbounded::option("service_tier", "Send 'default', 'flex' or 'priority'."));
    }
    let is_search = |name: &str| name.contains("-search-") || name.ends_with("-search");
    if demand.endpoint.has_output_cap() && request.model.is_some_and(is_search) {
        return Err(Unbounded::option("model", "Choose a model that does not search the web by itself."));
    }
    let is_forced = |tool: &&HostedTool| tool.kind == HostedKind::Unbounded && extras.tools.is_forced(tool);
    match extras.tools.hosted.iter().find(is_forced) {
        Some(tool) => Err(Unbounded::forced_tool(tool)),
        None => Ok(()),
    }
}
