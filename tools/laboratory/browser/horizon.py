# SPDX-License-Identifier: Apache-2.0
"""A user of Horizon, up to the console tab of an instance."""

import urllib.parse

from selenium.webdriver.common.by import By

from laboratory.browser.browser import Browser
from laboratory.browser.novnc import Console

_PAGE_S = 60


def log_in(browser: Browser, url: str, user: str, password: str,
           page: str = '') -> None:
    """Fill in the login page.

    :param url: of Horizon, with a slash at its end
    :param page: the path of what is shown then, instead of an overview
    :raises Failure: Horizon does not let the user in
    """
    driver = browser.driver
    path = urllib.parse.urlsplit(url).path + page
    browser.open(f'{url}auth/login/?{urllib.parse.urlencode({"next": path})}')
    driver.find_element(By.ID, 'id_username').send_keys(user)
    driver.find_element(By.ID, 'id_password').send_keys(password)
    driver.find_element(By.ID, 'loginBtn').click()
    browser.wait(lambda: '/auth/login' not in driver.current_url, _PAGE_S,
                 f'Horizon lets {user} in')


def instance_page(server: str) -> str:
    """The path of an instance's page."""
    return f'project/instances/{server}/'


def open_console(browser: Browser) -> Console:
    """The console tab of the instance whose page is shown.

    :raises Failure: the tab shows no console
    """
    driver = browser.driver
    browser.wait(lambda: driver.find_element(
        By.CSS_SELECTOR, '.nav-tabs a[href*="instance_details__console"]'),
        _PAGE_S, 'the page of the instance').click()
    frame = browser.wait(
        lambda: driver.find_element(By.ID, 'console_embed'), _PAGE_S,
        'the console tab')
    return Console(browser, frame)
