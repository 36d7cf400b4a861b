//! `GET /api/v1/nodes`: all registered nodes, lost ones included until their work is taken up.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use punctual_core::Term;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::cluster::Node;
use crate::types::list::List;

/// All registered nodes, lost ones included until their work is taken up
#[utoipa::path(
    get,
    path = "/api/v1/nodes",
    operation_id = "list_nodes",
    tag = "cluster",
    responses((status = 200, description = "All of them", body = List<Node>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<List<Node>>, ApiError> {
    params.finish()?;
    let now = state.scheduler.clock().now();
    let store = state.scheduler.store();
    let (nodes, open) = (store.nodes().await?, store.open_by_term().await?);
    let open: HashMap<Term, u64> = open.into_iter().collect();
    let node = |node: punctual_core::Node| {
        let running = open.get(&node.term).copied().unwrap_or_default();
        Node::at(now, node, running)
    };
    Ok(Json(List::whole(nodes.into_iter().map(node).collect())))
}
