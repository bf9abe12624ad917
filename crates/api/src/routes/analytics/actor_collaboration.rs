//! With whom an actor appeared.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::PersonId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Page};
use serde::Serialize;
use storage::postgres::batch::actor_collaboration::{self, CollaboratorRow};
use utoipa::ToSchema;

use super::PageParams;
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Id, Params};
use crate::routes::artifact::published;
use crate::routes::movies::PersonBody;
use crate::routes::{ArtifactList, List, question, tidy};

/// Somebody who appeared with the person asked about.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollaboratorItem {
    person_id: i64,
    #[schema(example = "Al Pacino")]
    name: String,
    /// Movies in which both were among the leading cast.
    #[serde(rename = "films")]
    movies: i64,
    /// Movies of these with votes.
    rated: i64,
    /// 0 to 10, over the movies with votes.
    avg_rating: Option<f64>,
}

impl From<CollaboratorRow> for CollaboratorItem {
    fn from(row: CollaboratorRow) -> Self {
        let CollaboratorRow { person_id, name, movies, rated, avg_rating } = row;
        Self { person_id, name, movies, rated, avg_rating: avg_rating.map(tidy) }
    }
}

/// The person whose collaborators are listed, and the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollaboratorsBody {
    person: PersonBody,
    #[serde(flatten)]
    list: ArtifactList<CollaboratorItem>,
}

/// List those with whom an actor appeared, the most movies together first.
#[utoipa::path(
    get, path = "/api/v1/analytics/actors/{id}/collaborators", operation_id = "list_collaborators", tag = "analytics",
    params(("id" = i64, Path, minimum = 1, description = "The person's TMDB id", example = 1158), PageParams),
    responses(
        (status = 200, body = CollaboratorsBody),
        (status = 404, description = "No such person, or no run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn collaborators(
    state: Data<State>,
    request: HttpRequest,
    Id(person_id): Id<PersonId>,
    Params(page): Params<PageParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, Collaborators { person_id, page }).await
}

struct Collaborators {
    person_id: PersonId,
    page: PageParams,
}

const COLUMNS: &[&str] = &["person_id", "name", "films", "rated", "avg_rating"];

impl Question for Collaborators {
    type Body = CollaboratorsBody;
    const FAMILY: CacheFamily = CacheFamily::Analytics;

    fn key(&self) -> Result<String, ApiError> {
        question(&format!("/analytics/actors/{}/collaborators", self.person_id), &self.page)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let (person_id, PageParams { limit, offset, as_of }) = (self.person_id, self.page);
        let head = published(&state.pool, Artifact::ActorCollaboration, as_of).await?;
        let name = actor_collaboration::name(&state.pool, person_id).await?;
        let name = name.ok_or_else(|| ApiError::NotFound { field: "id", what: format!("person {person_id}") })?;
        let (rows, total) =
            actor_collaboration::of_person(&state.pool, head.run_id, person_id, Page { limit, offset }).await?;
        let items: Vec<CollaboratorItem> = rows.into_iter().map(CollaboratorItem::from).collect();
        let list = ArtifactList::of(head, List { items, total, limit, offset });
        Ok(CollaboratorsBody { person: PersonBody::new(person_id, name), list })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.page.limit = Limit::WHOLE;
        }
        Table::of("collaborators", COLUMNS, self.read(&state).await?.list.list.items)
    }
}
