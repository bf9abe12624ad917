use domain::ViewerId;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::changes;

use crate::app::{Answer, TestApp};

const URL: &str = "/api/recommendations?user_id=user_123&limit=5";

fn ids(answer: &Answer) -> Vec<i64> {
    let body = answer.ok();
    body["recommendations"].as_array().unwrap().iter().map(|movie| movie["movie_id"].as_i64().unwrap()).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_new_viewer_gets_popular_movies_from_the_cache_until_something_happens(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let first = app.get(URL).await;
    assert_eq!(ids(&first), [238, 603, 550, 240, 194]);
    let body = first.ok();
    assert_eq!(
        (&body["user_id"], &body["source"], &body["computed_from"]),
        (&json!("user_123"), &json!("popular"), &json!("popular"))
    );
    assert!(first.header("cache-control").starts_with("private"), "{}", first.header("cache-control"));
    let second = app.get("/api/v1/recommendations?limit=5&user_id=user_123").await.ok();
    assert_eq!((&second["source"], &second["computed_from"]), (&json!("redis_cache"), &json!("popular")));
    assert_eq!(second["list_id"], body["list_id"]);

    let hidden = Answer::of(app.request(Method::PUT, "/api/v1/viewers/user_123/hidden/238")).await;
    assert_eq!(hidden.status, StatusCode::NO_CONTENT);
    test_support::eventually("the list is new", std::time::Duration::from_secs(5), async || {
        let ids = ids(&app.get(URL).await);
        if ids == [603, 550, 240, 194, 604] { Ok(()) } else { Err(ids) }
    })
    .await;
    Answer::of(app.request(Method::DELETE, "/api/v1/viewers/user_123/hidden/238")).await;
    test_support::eventually("the movie is back", std::time::Duration::from_secs(5), async || {
        let ids = ids(&app.get(URL).await);
        if ids[0] == 238 { Ok(()) } else { Err(ids) }
    })
    .await;

    let viewer: i64 = sqlx::query_scalar("SELECT viewer_id FROM viewers").fetch_one(&pool).await.unwrap();
    sqlx::query("INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, occurred_at) VALUES (gen_random_uuid(), $1, 194, 'like', now())")
        .bind(viewer)
        .execute(&pool)
        .await
        .unwrap();
    changes::touch_viewers(&mut pool.acquire().await.unwrap(), &[ViewerId::new(viewer).unwrap()]).await.unwrap();
    test_support::eventually("the list answers to the like", std::time::Duration::from_secs(5), async || {
        let ids = ids(&app.get(URL).await);
        // A romantic comedy was liked: Casablanca is the other romance.
        if ids[0] == 289 && !ids.contains(&194) { Ok(()) } else { Err(ids) }
    })
    .await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn bad_requests_name_what_is_wrong(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for (path, field) in [
        ("/api/v1/recommendations?user_id=u&limit=0", "limit"),
        ("/api/v1/recommendations?user_id=a%20b", "user_id"),
        ("/api/v1/recommendations?user_id=u&diversity=2", "diversity"),
        ("/api/v1/recommendations?user_id=u&exclude=1,x", "exclude"),
        ("/api/v1/recommendations?user_id=u&language=english", "language"),
        ("/api/v1/recommendations?user_id=u&year_from=2001&year_to=2000", "year_to"),
    ] {
        assert_eq!(app.get(path).await.problem(), (400, "invalid_parameter".into(), field.into()), "{path}");
    }
    let session = "/api/v1/recommendations/session";
    for body in [json!({ "movies": [] }), json!({ "movies": [{ "movie_id": 603, "weight": 1e9 }] })] {
        assert_eq!(app.post(session, &body).await.problem(), (400, "invalid_body".into(), "movies".into()));
    }
    let list = app.post(session, &json!({ "movies": [{ "movie_id": 603 }] })).await;
    assert!(ids(&list).contains(&604) && !ids(&list).contains(&603));
    assert_eq!(app.post("/api/v1/recommendations/group", &json!({ "user_ids": [] })).await.problem().0, 400);
    let hidden = Answer::of(app.request(Method::PUT, "/api/v1/viewers/u/hidden/999")).await;
    assert_eq!(hidden.problem(), (404, "not_found".into(), "id".into()));
    app.stop().await;
}
