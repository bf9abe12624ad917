//! Runs promote-model: the gate, then the deletion of old versions.

use domain::jobs::PromoteModel;
use serde_json::{Value, json};
use storage::postgres::models;

use super::{Run, evaluate_model};
use crate::{JobContext, JobError, Shared};

impl Run for PromoteModel {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        let Some(version) = evaluate_model::version(context, self.version).await? else {
            return Ok(json!({ "outcome": "no_model", "reason": "no model was trained; run train-model" }));
        };
        let mut result = promote(context, &version).await?;
        result["versions_deleted"] = json!(collect(shared, context).await?);
        Ok(result)
    }
}

async fn promote(context: &JobContext, version: &str) -> Result<Value, JobError> {
    let row = evaluate_model::registered(context, version).await?;
    let active = models::active(context.pool()).await?;
    if active.as_deref() == Some(version) {
        return Ok(json!({ "version": version, "outcome": "active" }));
    }
    let evaluate = |why: &str| JobError::Permanent(format!("version {version} {why}; run evaluate-model for it"));
    let gate = row.metrics.as_ref().map(|metrics| &metrics["gate"]).ok_or_else(|| evaluate("is not evaluated"))?;
    if gate["against"].as_str() != active.as_deref() {
        return Err(evaluate("was compared with a model that is not the active one any more"));
    }
    let reason = gate["reason"].as_str().unwrap_or_default();
    let mut tx = context.begin().await?;
    let outcome = if gate["passes"] == json!(true) {
        models::activate(&mut tx, version, reason).await?;
        "active"
    } else {
        models::refuse(&mut *tx, version, reason).await?;
        tracing::warn!(version, reason, "the gate refused a model");
        "refused"
    };
    tx.commit().await?;
    Ok(json!({ "version": version, "outcome": outcome, "reason": reason }))
}

/// Deletes versions beyond the number kept: files first, so that what a kill leaves is found again.
async fn collect(shared: &Shared, context: &JobContext) -> Result<Vec<String>, JobError> {
    let kept = i64::from(shared.settings.recommender.models_kept);
    let old = models::collectable(context.pool(), kept).await?;
    for version in &old {
        shared.objects.delete_directory(&models::directory(version)).await?;
        let mut tx = context.begin().await?;
        models::delete(&mut tx, version).await?;
        tx.commit().await?;
    }
    Ok(old)
}
