from django.contrib import admin
from django.urls import path

from books.views import shelf

urlpatterns = [
    path('', shelf),
    path('admin/', admin.site.urls),
]
