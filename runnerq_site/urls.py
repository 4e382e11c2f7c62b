"""Where things are: Django admin under /admin/, everything else is the console's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("queues.urls")),
]
