//! The list of all endpoints: path, method, handler, required access, and whether the answer is also available as a
//! table. Routing, the OpenAPI document, metric labels and access control are all derived from it.

use utoipa::OpenApi;

use crate::access::Access;
use crate::endpoint::{Endpoint, Place};
use crate::routes::{
    admin, analytics, docs, events, health, metrics, movies, predictions, recommendations, reviews, search, trending,
    viewers,
};

/// Defines [`endpoints`]. Each line states placement, path, method, handler and access; `table` marks a list that is
/// also available as CSV and NDJSON ([`crate::export`]). An alias reuses a handler of the first list; `as` names the
/// path under which OpenAPI documents that handler.
///
/// Placement: `both` answers under `/api/v1` and, as in seed 3, without it; `versioned` under `/api/v1` only; `root`
/// without it only, for documents that describe all versions. A literal path must stand before a pattern that matches
/// it too.
macro_rules! endpoints {
    (
        served {
            $($place:ident $path:literal $method:ident $($handler:ident)::+, $access:ident $(, $table:ident)?;)*
        }
        aliases {
            $($alias_place:ident $alias:literal $alias_method:ident $($alias_handler:ident)::+ as $documented:literal,
              $alias_access:ident $(, $alias_table:ident)?;)*
        }
    ) => {
        /// Returns every endpoint, in the order in which actix matches requests.
        pub fn endpoints() -> Vec<Endpoint> {
            vec![
                $(Place::$place($path, Access::$access).$method($($handler)::+) $(.$table())?,)*
                $(Place::$alias_place($alias, Access::$alias_access).$alias_method($($alias_handler)::+)
                    .documented_as($documented) $(.$alias_table())?,)*
            ]
        }

        /// The OpenAPI operations as the handlers declare them; [`crate::openapi`] completes them.
        #[derive(OpenApi)]
        #[openapi(paths($($($handler)::+),*))]
        pub(crate) struct Handlers;
    };
}

endpoints! {
    served {
        both "/movies" get movies::list, Open, table;
        both "/movies/trending" get trending::daily, Open, table;
        both "/movies/{id}" get movies::show, Open;
        both "/movies/{id}/similar" get movies::similar, Open, table;
        versioned "/movies/{id}/sentiment" get movies::sentiment, Open, table;
        both "/search" get search::search, Open, table;
        versioned "/search/movies" get search::filtered, Open, table;
        versioned "/events" post events::add, Open;
        versioned "/reviews" post reviews::add, Open;
        versioned "/trending/movies" get trending::now, Open, table;
        versioned "/trending/stream" get trending::stream, Open;
        both "/analytics/top-genres" get analytics::top_genres, Open, table;
        both "/analytics/ratings-by-decade" get analytics::ratings_by_decade, Open, table;
        versioned "/analytics/genre/{genre}" get analytics::genre, Open, table;
        versioned "/analytics/trends" get analytics::trends, Open, table;
        versioned "/analytics/actors/{id}/collaborators" get analytics::collaborators, Open, table;
        versioned "/predictions/trending" get predictions::trending, Open, table;
        versioned "/predictions/movies/{id}" get predictions::of_movie, Open, table;
        versioned "/recommendations" get recommendations::list, Open;
        versioned "/recommendations/session" post recommendations::session, Open;
        versioned "/recommendations/group" post recommendations::group, Open;
        versioned "/viewers/{user_id}/hidden/{id}" put viewers::hide, Open;
        versioned "/viewers/{user_id}/hidden/{id}" delete viewers::unhide, Open;
        versioned "/viewers/{user_id}/because" get viewers::because, Open;
        both "/admin/ingest/run" post admin::ingest::run, Admin;
        both "/admin/compute/{job}" post admin::compute::run, Admin;
        both "/admin/search/build-index" post admin::search::build_index, Admin;
        both "/admin/cache" delete admin::cache::purge, Admin;
        both "/admin/aliases" get admin::aliases::list, Admin;
        both "/admin/aliases" put admin::aliases::put, Admin;
        both "/admin/aliases/{alias}" delete admin::aliases::delete, Admin;
        versioned "/viewers/{user_id}" delete admin::viewers::forget, Admin;
        versioned "/viewers/{user_id}/export" get admin::viewers::export, Admin;
        versioned "/viewers/{user_id}/imports" post admin::imports::add, Admin;
        both "/admin/jobs" get admin::jobs::list, Admin, table;
        both "/admin/jobs/{id}" get admin::jobs::show, Admin;
        both "/admin/jobs/{id}/stream" get admin::stream::follow, Admin;
        both "/admin/jobs/{id}/cancel" post admin::jobs::cancel, Admin;
        both "/admin/jobs/{id}/retry" post admin::jobs::retry, Admin;
        both "/admin/models" get admin::models::list, Admin;
        both "/admin/models/rollback" post admin::models::rollback, Admin;
        both "/admin/models/{version}" get admin::models::show, Admin;
        both "/admin/models/{version}/promote" post admin::models::promote, Admin;
        both "/admin/dead-letters" get admin::dead_letters::list, Admin;
        both "/admin/dead-letters/replay" post admin::dead_letters::replay, Admin;
        both "/admin/dead-letters/discard" post admin::dead_letters::discard, Admin;
        both "/admin/quarantine" get admin::quarantine::list, Admin;
        both "/admin/quarantine/replay" post admin::quarantine::replay, Admin;
        both "/admin/quarantine/discard" post admin::quarantine::discard, Admin;
        both "/admin/feedback" get admin::feedback::show, Admin;
        both "/admin/experiments" get admin::experiments::list, Admin;
        both "/admin/experiments/{name}" get admin::experiments::show, Admin;
        both "/admin/experiments/{name}" put admin::experiments::start, Admin;
        both "/admin/experiments/{name}/end" post admin::experiments::end, Admin;
        both "/health" get health::overview, Open;
        both "/health/live" get health::live, Open;
        both "/health/ready" get health::ready, Open;
        both "/health/database" get health::database, Open;
        both "/health/cache" get health::cache, Open;
        both "/health/routing" get health::routing, Open;
        both "/health/search" get health::search, Open;
        both "/metrics" get metrics::metrics, Open;
        root "/openapi.json" get docs::openapi, Open;
        root "/docs" get docs::swagger, Open;
        root "/docs/{file}" get docs::swagger_file, Open;
        root "/redoc" get docs::redoc, Open;
        root "/redoc/redoc.standalone.js" get docs::redoc_script, Open;
    }
    aliases {
        versioned "/trending/daily" get trending::daily as "/api/v1/movies/trending", Open, table;
        versioned "/recommendations/movies/{id}" get movies::similar as "/api/v1/movies/{id}/similar", Open, table;
        root "/api/recommendations" get recommendations::list as "/api/v1/recommendations", Open;
        root "/api/events" post events::add as "/api/v1/events", Open;
        root "/api/reviews" post reviews::add as "/api/v1/reviews", Open;
        both "/health/mongodb" get health::database as "/api/v1/health/database", Open;
    }
}
