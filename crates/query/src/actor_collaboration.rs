//! The people with whom an actor appeared.

use chrono::NaiveDate;
use domain::PersonId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::rounding::nine_decimals;
use serde::Serialize;
use storage::postgres::batch::actor_collaboration::{self, CollaboratorRow};
use utoipa::ToSchema;

use crate::movies::PersonView;
use crate::{ArtifactList, IntoRows, PagedList, QueryError, Reader};

/// The people with whom an actor appeared, most common movies first.
#[derive(Debug, Clone, Serialize)]
pub struct Collaborators {
    pub person_id: PersonId,
    pub as_of: Option<NaiveDate>,
}

/// A person who appeared with the actor.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollaboratorItem {
    pub person_id: i64,
    #[schema(example = "Al Pacino")]
    pub name: String,
    /// Number of movies in which both are among the leading cast.
    #[serde(rename = "films")]
    pub movies: i64,
    /// Number of these movies that have votes.
    pub rated: i64,
    /// Mean vote average of the movies that have votes, 0 to 10.
    pub avg_rating: Option<f64>,
}

impl From<CollaboratorRow> for CollaboratorItem {
    fn from(row: CollaboratorRow) -> Self {
        let CollaboratorRow { person_id, name, movies, rated, avg_rating } = row;
        Self { person_id, name, movies, rated, avg_rating: avg_rating.map(nine_decimals) }
    }
}

/// An actor and the list of collaborators.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollaboratorsView {
    pub person: PersonView,
    #[serde(flatten)]
    pub list: ArtifactList<CollaboratorItem>,
}

impl IntoRows for CollaboratorsView {
    type Row = CollaboratorItem;

    fn into_rows(self) -> Vec<CollaboratorItem> {
        self.list.into_rows()
    }
}

impl PagedList for Collaborators {
    type View = CollaboratorsView;
    const NAME: &'static str = "collaborators";
    const FAMILY: CacheFamily = CacheFamily::Analytics;
    const COLUMNS: &'static [&'static str] = &["person_id", "name", "films", "rated", "avg_rating"];

    async fn page(&self, reader: &Reader, page: Page) -> Result<CollaboratorsView, QueryError> {
        let person_id = self.person_id;
        let run = reader.run(Artifact::ActorCollaboration, self.as_of).await?;
        let name = actor_collaboration::name(&reader.pool, person_id).await?;
        let name = name.ok_or_else(|| QueryError::NotFound { field: "id", what: format!("person {person_id}") })?;
        let found = actor_collaboration::of_person(&reader.pool, run.run_id, person_id, page).await?;
        Ok(CollaboratorsView { person: PersonView::new(person_id, name), list: ArtifactList::new(run, page, found) })
    }
}
