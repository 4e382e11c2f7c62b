"""Pages of the console."""

from django.urls import URLPattern, URLResolver, path, re_path

from queues.dashboard.access import page
from queues.dashboard.pages import acting, activities, activity, enqueue, overview, queues, signin, workers

urlpatterns: list[URLPattern | URLResolver] = [
    path("", page(overview.overview), name="overview"),
    path("pulse", page(overview.pulse), name="pulse"),
    path("charts", page(overview.chart), name="charts"),
    path("activities", page(activities.activities), name="activities"),
    path("act/<slug:verb>", page(acting.act_on_many), name="act_on_many"),
    path("act/<slug:verb>/<path:activity_id>", page(acting.act), name="act"),
    path("activities/<path:activity_id>", page(activity.activity), name="activity"),
    path("dead", page(activities.dead), name="dead"),
    path("queues", page(queues.queues), name="queues"),
    path("queues/<path:name>/purge", page(queues.purging), name="purge"),
    re_path(r"^queues/(?P<name>.+)/(?P<verb>pause|resume)\Z", page(queues.pausing), name="pausing"),
    path("queues/<path:name>", page(queues.queue), name="queue"),
    path("workers", page(workers.workers), name="workers"),
    path("enqueue", page(enqueue.enqueue), name="enqueue"),
    path("login", signin.login, name="login"),
    path("logout", signin.logout, name="logout"),
    path("theme", signin.theme, name="theme"),
    path("signin/<str:token>", signin.link, name="signin"),
]
